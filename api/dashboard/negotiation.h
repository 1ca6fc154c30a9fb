// SPDX-License-Identifier: MIT
// negotiation.h — headers with which a client says what it takes, and what it has. Pure.

#ifndef API_DASHBOARD_NEGOTIATION_H
#define API_DASHBOARD_NEGOTIATION_H

#include <stdbool.h>

#include "common/base/str.h"

// Whether a client with this Accept-Encoding takes gzip (RFC 9110, 12.5.3).
bool negotiation_takes_gzip(struct str accept_encoding);

// Whether a client with this Accept asks for HTML by name, as browsers do that open a page.
bool negotiation_asks_html(struct str accept);

// Whether If-None-Match names this entity tag, which is without its quotes (RFC 9110,
// 13.1.2).
bool negotiation_has(struct str if_none_match, struct str etag);

#endif
