// routes.h — which handler answers a path.

#ifndef API_ROUTES_H
#define API_ROUTES_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/arena.h"
#include "common/base/err.h"
#include "common/base/str.h"
#include "common/http/authentication.h"
#include "common/http/http.h"

struct call;

// What stands in braces in a pattern.
enum param {
    PARAM_ORG,
    PARAM_PROJECT,
    PARAM_STACK,
    PARAM_ENV,
    PARAM_HOOK,
    PARAM_EVENT,
    PARAM_TOKEN,
    PARAM_REPLAY,
    PARAMS
};

struct route {
    enum http_method method;
    enum auth_scope scope;
    const char *pattern; // "/api/orgs/{org}/hooks"
    void (*handler)(struct call *c);
    bool is_public;       // needs no token
    bool is_for_any_host; // whatever the request's Host says
    bool takes_json;      // a body that is not JSON is refused
    bool takes_event;     // a body as large as an event's
    bool is_long;   // the answer may be long: only if there is room for it
    bool is_akinon; // of Akinon's API; the others speak Pulumi's
};

struct route_match {
    const struct route *route; // NULL unless found
    struct str params[PARAMS]; // decoded; empty if the pattern has none
    unsigned methods;          // bits (1 << http_method) that the path has
};

// The table, from `i` = 0. NULL: no more.
const struct route *route_at(size_t i);

// Finds the route of a path as sent (percent-encoded, without the query); a
// HEAD is a GET. What `out->params` points to lies in the arena.
// ERR_NOTFOUND: there is no such path. ERR_DENIED: there is, but not for this
// method; `out->methods` says for which. ERR_INVALID: a broken escape.
MUST_CHECK enum err route_find(enum http_method method, struct str path,
                               struct arena *arena, struct route_match *out);

// "Allow: GET, HEAD, POST, OPTIONS\r\n" for such bits.
void route_put_allow(unsigned methods, struct buf *out);

#endif
