// SPDX-License-Identifier: MIT
// print_routes.c — the tables of routes as JSON, for the test of authorization.
//
// One object a line: {"server":"api","method":"GET","pattern":"/api/orgs/{org}/hooks",
// "scope":"read","isPublic":false,"isAkinon":false}.

#include <stdio.h>

#include "api/routes.h"
#include "engine/ingest/ingest_path.h"

static const char *method_name(enum http_method method)
{
    static const char *const names[] = {
        [METHOD_GET] = "GET",         [METHOD_HEAD] = "HEAD",
        [METHOD_POST] = "POST",       [METHOD_PUT] = "PUT",
        [METHOD_PATCH] = "PATCH",     [METHOD_DELETE] = "DELETE",
        [METHOD_OPTIONS] = "OPTIONS", [METHOD_OTHER] = "OTHER",
    };

    return names[method];
}

static const char *scope_name(enum auth_scope scope)
{
    static const char *const names[] = { [AUTH_INGEST] = "ingest",
                                         [AUTH_READ] = "read",
                                         [AUTH_WRITE] = "write",
                                         [AUTH_ADMIN] = "admin",
                                         [AUTH_ANY] = "any" };

    return names[scope];
}

static void print(const char *server, const struct route *r)
{
    printf("{\"server\":\"%s\",\"method\":\"%s\",\"pattern\":\"%s\","
           "\"scope\":\"%s\",\"isPublic\":%s,\"isAkinon\":%s}\n",
           server, method_name(r->method), r->pattern, scope_name(r->scope),
           r->is_public ? "true" : "false", r->is_akinon ? "true" : "false");
}

int main(void)
{
    const struct route *route;

    for (size_t i = 0; (route = route_at(i)) != NULL; i++)
        print("api", route);
    for (size_t i = 0; i < n_ingest_routes; i++) {
        const struct route posted = { .method = METHOD_POST,
                                      .scope = INGEST_SCOPE,
                                      .pattern = ingest_routes[i].pattern,
                                      .is_akinon = ingest_routes[i].dialect ==
                                                   DIALECT_AKINON };

        print("intake", &posted);
    }
    return 0;
}
