// test_routes.c — which path leads where, and the queries of a history.

#include <string.h>

#include "api/delivery_query.h"
#include "api/hooks.h"
#include "api/routes.h"
#include "api/sink_signature.h"
#include "tests/unit.h"

static enum err find(enum http_method method, const char *path,
                     struct arena *arena, struct route_match *match)
{
    return route_find(method, str_of(path), arena, match);
}

static void paths_lead_to_routes_or_nowhere(void **state)
{
    static const struct {
        enum http_method method;
        const char *path;
        enum err err;
    } cases[] = {
        { HTTP_GET, "/healthz", OK },
        { HTTP_HEAD, "/healthz", OK },
        { HTTP_POST, "/healthz", ERR_DENIED },
        { HTTP_GET, "/healthz/", ERR_NOTFOUND },
        { HTTP_GET, "/", ERR_NOTFOUND },
        { HTTP_GET, "", ERR_NOTFOUND },
        { HTTP_GET, "*", ERR_NOTFOUND },
        { HTTP_GET, "/api/orgs/acme/hooks", OK },
        { HTTP_POST, "/api/orgs/acme/hooks", OK },
        { HTTP_PUT, "/api/orgs/acme/hooks", ERR_DENIED },
        { HTTP_OTHER, "/api/orgs/acme/hooks", ERR_DENIED },
        { HTTP_GET, "/api/orgs//hooks", ERR_NOTFOUND },
        { HTTP_GET, "/api/orgs/acme/hooks/", ERR_NOTFOUND },
        { HTTP_GET, "/api/orgs/acme/Hooks", ERR_NOTFOUND },
        { HTTP_GET, "/api//orgs/acme/hooks", ERR_NOTFOUND },
        { HTTP_GET, "/%61pi/orgs/acme/hooks", OK },
        { HTTP_GET, "/api/orgs/ac%zzme/hooks", ERR_INVALID },
        { HTTP_GET, "/api/orgs/ac%00me/hooks", ERR_INVALID },
        { HTTP_DELETE, "/api/orgs/acme/hooks/x", OK },
        { HTTP_PATCH, "/api/orgs/acme/hooks/x", OK },
        { HTTP_POST, "/api/orgs/acme/hooks/x", ERR_DENIED },
        { HTTP_GET, "/api/orgs/acme/hooks/x/deliveries", OK },
        { HTTP_GET, "/api/orgs/acme/hooks/x/deliveries/y", ERR_NOTFOUND },
        { HTTP_GET, "/api/stacks/acme/web/prod/hooks/x", OK },
        { HTTP_GET, "/api/stacks/acme/web/hooks/x", ERR_NOTFOUND },
        { HTTP_GET, "/api/esc/environments/acme/web/prod/hooks", OK },
        { HTTP_GET, "/api/preview/environments/acme/prod/hooks", OK },
        { HTTP_GET, "/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r", ERR_NOTFOUND },
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

static void segments_are_decoded_after_splitting(void **state)
{
    struct arena arena = { NULL };
    struct route_match match;

    (void)state;
    assert_int_equal(find(HTTP_GET, "/api/stacks/a%2Fb/p%20q/s/hooks/n%c3%a9",
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
    } cases[] = { { HTTP_GET, AUTH_READ },
                  { HTTP_PATCH, AUTH_WRITE },
                  { HTTP_DELETE, AUTH_WRITE } };

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
    assert_int_equal(find(HTTP_PUT, "/api/orgs/acme/hooks/x", &arena, &match),
                     ERR_DENIED);
    route_put_allow(match.methods, &allow);
    assert_string_equal(buf_cstr(&allow),
                        "Allow: GET, HEAD, PATCH, DELETE, OPTIONS\r\n");
    buf_clear(&allow);
    arena_clear(&arena);
}

// --- the queries of a history ---

static enum err read_query(const char *query, struct arena *arena,
                           struct delivery_query *out)
{
    struct http_request r = { .query = str_of(query) };
    struct buf why;
    enum err err;

    buf_init(&why, 0);
    err = delivery_query_read(&r, arena, out, &why);
    assert_int_equal(why.n_bytes > 0, err != OK); // a refusal has a reason
    buf_clear(&why);
    return err;
}

static void queries_are_judged(void **state)
{
    static const struct {
        const char *query;
        enum err err;
    } cases[] = {
        { "", OK },
        { "unknown=1&other", OK },
        { "limit=1", OK },
        { "limit=1000", OK },
        { "limit=0", ERR_INVALID },
        { "limit=1001", ERR_INVALID },
        { "limit=-1", ERR_INVALID },
        { "limit=ten", ERR_INVALID },
        { "limit=", ERR_INVALID },
        { "code=0", OK },
        { "code=503", OK },
        { "code=600", ERR_INVALID },
        { "id=0190a5b8-1111-7222-8333-444455556666", OK },
        { "id=x", ERR_INVALID },
        { "state=dead", OK },
        { "state=delivered", OK },
        { "state=sleeping", ERR_INVALID },
        { "since=1700000000&until=2026-11-20T10%3A15%3A30Z", OK },
        { "since=yesterday", ERR_INVALID },
        { "kind=order.created", OK },
        { "kind=%zz", ERR_INVALID },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct arena arena = { NULL };
        struct delivery_query query;

        if (read_query(cases[i].query, &arena, &query) != cases[i].err)
            fail_msg("%s", cases[i].query);
        arena_clear(&arena);
    }
}

static void a_query_picks_rows(void **state)
{
    static const struct {
        const char *query;
        bool is_wanted;
    } cases[] = {
        { "", true },
        { "kind=stack", true },
        { "kind=stac", false },
        { "code=503", true },
        { "code=0", false },
        { "state=dead", true },
        { "state=delivered", false },
        { "since=100", true },
        { "since=101", false },
        { "until=100", false },
        { "until=101", true },
        { "id=01000000-0000-0000-0000-000000000000", true },
        { "id=02000000-0000-0000-0000-000000000000", false },
    };
    const struct attempt attempt = { .event_id = { { 1 } },
                                     .kind = STR("stack"),
                                     .response_code = 503,
                                     .state = DELIVERY_DEAD,
                                     .started_at_us = 100000000 };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct arena arena = { NULL };
        struct delivery_query query;

        assert_int_equal(read_query(cases[i].query, &arena, &query), OK);
        if (delivery_query_wants(&query, &attempt) != cases[i].is_wanted)
            fail_msg("%s", cases[i].query);
        arena_clear(&arena);
    }
}

static void times_are_read(void **state)
{
    static const struct {
        const char *text;
        int64_t at_us; // -1: refused
    } cases[] = {
        { "0", 0 },
        { "1700000000", 1700000000000000 },
        { "1970-01-01T00:00:01Z", 1000000 },
        { "1970-01-01t00:00:01.25z", 1250000 },
        { "2024-02-29T12:00:00+02:00", 1709200800000000 },
        { "2024-02-29T08:30:00-01:30", 1709200800000000 },
        { "1970-01-01T00:00:00.0000019Z", 1 },
        { "2023-02-29T00:00:00Z", -1 },
        { "2024-13-01T00:00:00Z", -1 },
        { "2024-01-01T24:00:00Z", -1 },
        { "2024-01-01T00:00:00", -1 },
        { "2024-01-01T00:00:00.Z", -1 },
        { "2024-01-01T00:00:00Zx", -1 },
        { "2024-01-01", -1 },
        { "-5", -1 },
        { "999999999999999", -1 },
        { "", -1 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t at_us = -1;
        enum err err = delivery_time_read(str_of(cases[i].text), &at_us);

        if ((err == OK) != (cases[i].at_us >= 0) || at_us != cases[i].at_us)
            fail_msg("%s: %lld", cases[i].text, (long long)at_us);
    }
}

static void cursors_cannot_be_made_up(void **state)
{
    static const uint8_t key[SHA256_BYTES] = { 1 };
    static const uint8_t other_key[SHA256_BYTES] = { 2 };
    struct buf text;
    uint64_t row_no = 0;

    (void)state;
    buf_init(&text, 0);
    cursor_put(key, 7, 1234567, &text);
    assert_int_equal(cursor_read(key, buf_str(&text), 7, &row_no), OK);
    assert_int_equal(row_no, 1234567);
    assert_int_equal(cursor_read(key, buf_str(&text), 8, &row_no), ERR_INVALID);
    assert_int_equal(cursor_read(other_key, buf_str(&text), 7, &row_no),
                     ERR_INVALID);
    assert_int_equal(cursor_read(key, STR("x"), 7, &row_no), ERR_INVALID);
    for (size_t i = 0; i < text.n_bytes; i++) {
        char was = text.at[i];

        text.at[i] = was == '0' ? '1' : '0';
        assert_int_equal(cursor_read(key, buf_str(&text), 7, &row_no),
                         ERR_INVALID);
        text.at[i] = was;
    }
    buf_clear(&text);
}

// --- the sink's signatures ---

// The example of the Standard Webhooks specification's libraries.
static const struct signed_request standard_example = {
    .id = STR("msg_p5jXN8AQM9LWM0D4loKWxJek"),
    .timestamp = STR("1614265330"),
    .standard = STR("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
    .body = STR("{\"test\": 2432232314}"),
};
#define STANDARD_SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
// HMAC-SHA256 of "hello" under "key".
#define HELLO_MAC \
    "9307b3b915efb5171ff14d8cb55fbcc798c6c0ef1456d66ded1a6aa723a58b7b"

static enum signature judge(const char *secret, struct signed_request request)
{
    return signature_judge(str_of(secret), &request);
}

static void signatures_are_judged(void **state)
{
    struct signed_request hello = { .pulumi = STR(HELLO_MAC),
                                    .body = STR("hello") };
    struct signed_request standard = standard_example;

    (void)state;
    assert_int_equal(judge("key", hello), SIGNATURE_VALID);
    assert_int_equal(judge("kez", hello), SIGNATURE_INVALID);
    assert_int_equal(judge("", hello), SIGNATURE_INVALID);
    hello.body = STR("hellp");
    assert_int_equal(judge("key", hello), SIGNATURE_INVALID);
    hello.pulumi = STR_EMPTY;
    assert_int_equal(judge("key", hello), SIGNATURE_ABSENT);

    assert_int_equal(judge(STANDARD_SECRET, standard), SIGNATURE_VALID);
    standard.standard = STR("v2,x v1,AAAA "
                            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    assert_int_equal(judge(STANDARD_SECRET, standard), SIGNATURE_VALID);
    standard.timestamp = STR("1614265331");
    assert_int_equal(judge(STANDARD_SECRET, standard), SIGNATURE_INVALID);
    // One that is right does not excuse one that is wrong.
    standard = standard_example;
    standard.pulumi = STR(HELLO_MAC);
    assert_int_equal(judge(STANDARD_SECRET, standard), SIGNATURE_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_lead_to_routes_or_nowhere),
        cmocka_unit_test(segments_are_decoded_after_splitting),
        cmocka_unit_test(writes_want_the_scope_to_write),
        cmocka_unit_test(a_wrong_method_is_told_the_right_ones),
        cmocka_unit_test(queries_are_judged),
        cmocka_unit_test(a_query_picks_rows),
        cmocka_unit_test(times_are_read),
        cmocka_unit_test(cursors_cannot_be_made_up),
        cmocka_unit_test(signatures_are_judged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
