// SPDX-License-Identifier: MIT
// routes.h — which handler answers a path.

#ifndef API_ROUTES_H
#define API_ROUTES_H

#include <stddef.h>

#include "api/core/route.h"
#include "common/base/arena.h"
#include "common/base/err.h"
#include "common/base/str.h"
#include "common/http/http.h"

// The route at index `i` of the table. NULL: the table has ended.
const struct route *route_at(size_t i);

// Finds the route of a path as sent (percent-encoded, without the query); a
// HEAD is a GET. What `out->params` points to lies in the arena.
// ERR_NOTFOUND: there is no such path. ERR_DENIED: there is, but not for this
// method; `out->methods` says for which. ERR_INVALID: a broken escape.
MUST_CHECK enum err route_find(enum http_method method, struct str path,
                               struct arena *arena, struct route_match *out);

// Appends "Allow: GET, HEAD, POST, OPTIONS\r\n" for bits as in route_match.methods.
void route_put_allow(unsigned methods, struct buf *out);

#endif
