// SPDX-License-Identifier: MIT
// request_header.h — request headers that a hook may add.

#ifndef COMMON_MODEL_REQUEST_HEADER_H
#define COMMON_MODEL_REQUEST_HEADER_H

#include <stdbool.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/str.h"

#define HEADERS_MAX            32 // of one hook
#define HEADER_VALUE_MAX_BYTES 4096

// Checks a header: the name is a token (RFC 9110, 5.6.2), the value is visible
// ASCII, with blanks and tabs only inside. Headers that frame the request (Host,
// Content-Length, Transfer-Encoding and the like) and those that the engine sets
// are refused. ERR_INVALID: `why` (may be NULL) gets a sentence that names the
// header.
MUST_CHECK enum err header_check(struct str name, struct str value,
                                 struct buf *why);

// Is it one of the headers of a trace context: traceparent or tracestate?
bool header_is_trace(struct str name);

// Does the name suggest that the value grants access: Authorization, Cookie, and
// names that contain token, secret, auth, password or api-key?
bool header_is_secret(struct str name);

// Appends what is shown in place of such a value: for values of 16 bytes or more
// the first four characters, then HEADER_MASK; for shorter ones HEADER_MASK alone.
#define HEADER_MASK "********"
void header_put_mask(struct str value, struct buf *out);

// Does the value look like one that header_put_mask() appends?
bool header_is_mask(struct str value);

#endif
