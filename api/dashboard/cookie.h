// SPDX-License-Identifier: MIT
// cookie.h — the cookie that holds a session. Pure.
//
// Its name begins with __Host-: a browser takes it only over TLS, or from this machine
// itself, only for this host and all paths, and never from a subdomain.

#ifndef API_DASHBOARD_COOKIE_H
#define API_DASHBOARD_COOKIE_H

#include "common/base/buf.h"
#include "common/base/str.h"

// The session's secret in the value of a header Cookie (RFC 6265, 4.2). Empty: there is
// none of the form that we make.
struct str cookie_find(struct str header);

// Appends the line that gives a browser this secret, or, if it is empty, takes it away.
void cookie_put_line(struct str secret, struct buf *out);

#endif
