// SPDX-License-Identifier: MIT
// url.h — reading URLs with the parser that will also send to them: libcurl's.
//
// A second parser that sees another host in the same text is the classic hole
// (libcurl's security notes), so there is none.

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

// An absolute http or https URL with a host, no user, no fragment, no
// backslash, blank, control or non-ASCII byte, of at most URL_MAX_BYTES; a
// host that is a number only in its canonical form. ERR_INVALID: `why` (may be
// NULL) gets what is wrong and what is allowed.
MUST_CHECK enum err url_parse(struct str text, struct url *out,
                              struct buf *why);

// "https://host:port", lower case: the unit of connections and limits.
void url_endpoint(const struct url *url, struct buf *out);

#endif
