// SPDX-License-Identifier: MIT
// route.h — what a route is, and what matching a path yields.

#ifndef API_CORE_ROUTE_H
#define API_CORE_ROUTE_H

#include <stdbool.h>

#include "common/base/str.h"
#include "common/http/authentication.h"
#include "common/http/http.h"

struct api_request;

// The parameters, which a pattern has in braces.
enum param {
    PARAM_ORG,
    PARAM_PROJECT,
    PARAM_STACK,
    PARAM_ENV,
    PARAM_HOOK,
    PARAM_EVENT,
    PARAM_TOKEN,
    PARAM_REPLAY,
    PARAM_ATTEMPT,
    PARAM_ERASURE,
    PARAM_KIND,
    PARAM_PATH, // the rest of the path, as sent; its pattern ends with it, and
                // stands below those that name such a path
    PARAMS
};

struct route {
    enum http_method method;
    enum auth_scope scope;
    const char *pattern; // "/api/orgs/{org}/hooks"
    void (*handler)(struct api_request *rq);
    bool is_public;       // needs no token
    bool is_for_any_host; // is answered whatever the request's Host says
    bool takes_json;      // refuses a body that is not JSON
    bool takes_code;      // may bring the code of a link instead of a token
    bool takes_event;     // allows a body as large as an event's
    bool is_long; // the answer may be long: refused unless there is room for it
    bool is_stream; // goes on by itself: does not count as use of a session
    bool
        is_for_erased; // is answered while the path's organization is being erased
    bool is_dashboard; // is there only while the setting `dashboard` is on
    bool is_akinon;    // belongs to Akinon's API; the other routes to Pulumi's
};

struct route_match {
    const struct route *route; // NULL unless found
    struct str params[PARAMS]; // decoded; empty if the pattern has none
    unsigned methods;  // methods of the path, as bits (1 << http_method)
    bool is_dashboard; // the path is the dashboard's
};

#endif
