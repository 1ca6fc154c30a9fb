// header.h — request headers that a hook may add.

#ifndef COMMON_HEADER_H
#define COMMON_HEADER_H

#include "common/buf.h"
#include "common/err.h"
#include "common/str.h"

#define HEADERS_MAX            32 // of one hook
#define HEADER_VALUE_MAX_BYTES 4096

// The name is a token (RFC 9110, 5.6.2), the value visible ASCII, blanks and
// tabs inside. Refused are headers that frame the request (Host,
// Content-Length, Transfer-Encoding and their like) and those that the engine
// sets. ERR_INVALID: `why` (may be NULL) gets a sentence that names it.
MUST_CHECK enum err header_judge(struct str name, struct str value,
                                 struct buf *why);

#endif
