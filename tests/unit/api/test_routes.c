// SPDX-License-Identifier: MIT
// test_routes.c — which path leads to which route.

#include <string.h>

#include "api/hooks/handlers.h"
#include "api/routes.h"
#include "tests/support/unit.h"

static enum err find(enum http_method method, const char *path,
                     struct arena *arena, struct route_match *match)
{
    return route_find(method, str_of(path), arena, match);
}

static void paths_lead_to_routes_or_nowhere(void **state)
{
    static const struct {
        enum http_method method;
        enum err err;
        const char *path;
    } cases[] = {
        { METHOD_GET, OK, "/healthz" },
        { METHOD_HEAD, OK, "/healthz" },
        { METHOD_POST, ERR_DENIED, "/healthz" },
        { METHOD_GET, ERR_NOTFOUND, "/healthz/" },
        { METHOD_GET, ERR_NOTFOUND, "/" },
        { METHOD_GET, ERR_NOTFOUND, "" },
        { METHOD_GET, ERR_NOTFOUND, "*" },
        { METHOD_GET, OK, "/api/orgs/acme/hooks" },
        { METHOD_POST, OK, "/api/orgs/acme/hooks" },
        { METHOD_PUT, ERR_DENIED, "/api/orgs/acme/hooks" },
        { METHOD_OTHER, ERR_DENIED, "/api/orgs/acme/hooks" },
        { METHOD_GET, ERR_NOTFOUND, "/api/orgs//hooks" },
        { METHOD_GET, ERR_NOTFOUND, "/api/orgs/acme/hooks/" },
        { METHOD_GET, ERR_NOTFOUND, "/api/orgs/acme/Hooks" },
        { METHOD_GET, ERR_NOTFOUND, "/api//orgs/acme/hooks" },
        { METHOD_GET, OK, "/%61pi/orgs/acme/hooks" },
        { METHOD_GET, ERR_INVALID, "/api/orgs/ac%zzme/hooks" },
        { METHOD_GET, ERR_INVALID, "/api/orgs/ac%00me/hooks" },
        { METHOD_DELETE, OK, "/api/orgs/acme/hooks/x" },
        { METHOD_PATCH, OK, "/api/orgs/acme/hooks/x" },
        { METHOD_POST, ERR_DENIED, "/api/orgs/acme/hooks/x" },
        { METHOD_GET, OK, "/api/orgs/acme/hooks/x/deliveries" },
        { METHOD_GET, ERR_NOTFOUND, "/api/orgs/acme/hooks/x/deliveries/y" },
        { METHOD_GET, OK, "/api/stacks/acme/web/prod/hooks/x" },
        { METHOD_GET, ERR_NOTFOUND, "/api/stacks/acme/web/hooks/x" },
        { METHOD_GET, OK, "/api/stacks/acme/web/prod" },
        { METHOD_DELETE, OK, "/api/stacks/acme/web/prod" },
        { METHOD_PATCH, ERR_DENIED, "/api/stacks/acme/web/prod" },
        { METHOD_POST, OK, "/api/stacks/acme/web" },
        { METHOD_GET, OK, "/api/stacks/acme/web/prod/export" },
        { METHOD_GET, ERR_NOTFOUND, "/api/stacks/acme" },
        { METHOD_GET, OK, "/api/esc/environments/acme/web/prod" },
        { METHOD_GET, ERR_NOTFOUND, "/api/esc/environments/acme/web" },
        { METHOD_GET, OK, "/api/esc/environments/acme/web/prod/hooks" },
        { METHOD_GET, OK, "/api/preview/environments/acme/prod/hooks" },
        { METHOD_GET, OK, "/dashboard" },
        { METHOD_GET, OK, "/dashboard/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15" },
        { METHOD_GET, OK,
          "/dashboard/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/" },
        { METHOD_GET, ERR_NOTFOUND,
          "/api/orgs/acme/hooks/x/6/7/8/9/10/11/12/13/14/15/16/17" },
        { METHOD_GET, ERR_NOTFOUND, "////////////////////////////////" },
        { METHOD_HEAD, OK, "/dashboard/" },
        { METHOD_GET, OK, "/dashboard/app.js" },
        { METHOD_GET, OK, "/dashboard/o/acme//%2e%2e/hooks" },
        { METHOD_GET, ERR_INVALID, "/dashboard/o/%zz" },
        { METHOD_GET, ERR_NOTFOUND, "/dashboards" },
        { METHOD_PUT, ERR_DENIED, "/dashboard/app.js" },
        { METHOD_POST, OK, "/dashboard/session" },
        { METHOD_GET, ERR_DENIED, "/dashboard/session" },
        { METHOD_GET, OK, "/dashboard/session/" },
        { METHOD_GET, ERR_NOTFOUND, "/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct arena arena = { NULL };
        struct route_match match;
        enum err err = find(cases[i].method, cases[i].path, &arena, &match);

        if (err != cases[i].err)
            fail_msg("%s: %s", cases[i].path, err_str(err));
        arena_clear(&arena);
    }
}

static void the_rest_of_a_path_is_as_it_was_sent(void **state)
{
    static const struct {
        const char *path, *rest;
    } cases[] = {
        { "/dashboard", "" },
        { "/dashboard/", "" },
        { "/dashboard/app.js", "app.js" },
        { "/dashboard/a%2Fb//c/", "a%2Fb//c/" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct arena arena = { NULL };
        struct route_match match;

        assert_int_equal(find(METHOD_GET, cases[i].path, &arena, &match), OK);
        assert_true(str_is(match.params[PARAM_PATH], cases[i].rest));
        arena_clear(&arena);
    }
}

static void segments_are_decoded_after_splitting(void **state)
{
    struct arena arena = { NULL };
    struct route_match match;

    (void)state;
    assert_int_equal(find(METHOD_GET, "/api/stacks/a%2Fb/p%20q/s/hooks/n%c3%a9",
                          &arena, &match),
                     OK);
    assert_ptr_equal(match.route->handler, hooks_get);
    assert_true(str_is(match.params[PARAM_ORG], "a/b"));
    assert_true(str_is(match.params[PARAM_PROJECT], "p q"));
    assert_true(str_is(match.params[PARAM_STACK], "s"));
    assert_true(str_is(match.params[PARAM_HOOK], "n\xc3\xa9"));
    assert_int_equal(match.params[PARAM_ENV].n_bytes, 0);
    arena_clear(&arena);
}

static void writes_want_the_scope_to_write(void **state)
{
    static const struct {
        enum http_method method;
        enum auth_scope scope;
    } cases[] = { { METHOD_GET, AUTH_READ },
                  { METHOD_PATCH, AUTH_WRITE },
                  { METHOD_DELETE, AUTH_WRITE } };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct arena arena = { NULL };
        struct route_match match;

        assert_int_equal(
            find(cases[i].method, "/api/orgs/acme/hooks/x", &arena, &match),
            OK);
        assert_int_equal(match.route->scope, cases[i].scope);
        assert_false(match.route->is_public);
        arena_clear(&arena);
    }
}

static void a_wrong_method_is_told_the_right_ones(void **state)
{
    struct arena arena = { NULL };
    struct route_match match;
    struct buf allow;

    (void)state;
    buf_init(&allow, 0);
    assert_int_equal(find(METHOD_PUT, "/api/orgs/acme/hooks/x", &arena, &match),
                     ERR_DENIED);
    route_put_allow(match.methods, &allow);
    assert_string_equal(buf_cstr(&allow),
                        "Allow: GET, HEAD, PATCH, DELETE, OPTIONS\r\n");
    buf_clear(&allow);
    arena_clear(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_lead_to_routes_or_nowhere),
        cmocka_unit_test(the_rest_of_a_path_is_as_it_was_sent),
        cmocka_unit_test(segments_are_decoded_after_splitting),
        cmocka_unit_test(writes_want_the_scope_to_write),
        cmocka_unit_test(a_wrong_method_is_told_the_right_ones),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
