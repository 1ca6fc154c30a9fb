// SPDX-License-Identifier: MIT
// url.h — reads URLs with libcurl's parser, which also sends to them.
//
// If two parsers read different hosts in the same text, a check of the URL can be
// bypassed (libcurl's security notes). So there is only one parser.

#ifndef COMMON_ENCODING_URL_H
#define COMMON_ENCODING_URL_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/str.h"

#define URL_MAX_BYTES 2000

struct url {
    bool is_https;
    uint16_t port;  // the scheme's own if the text has none
    char host[256]; // lower case; an IPv6 address in its brackets
};

// Accepts an absolute http or https URL with a host and of at most URL_MAX_BYTES,
// without user, fragment, backslash, blank, control or non-ASCII byte. A host that
// is a number must be in its canonical form. ERR_INVALID: `why` (may be NULL) gets
// what is wrong and what is allowed.
MUST_CHECK enum err url_parse(struct str text, struct url *out,
                              struct buf *why);

// Appends "https://host:port" in lower case: connections and limits are per
// endpoint.
void url_endpoint(const struct url *url, struct buf *out);

#endif
