// SPDX-License-Identifier: MIT
// test_login.c — who is logged in and until when; the cookie; where requests come from.

#include <stdio.h>
#include <string.h>

#include "api/core/host.h"
#include "api/dashboard/cookie.h"
#include "api/dashboard/login_table.h"
#include "api/dashboard/origin.h"
#include "tests/support/unit.h"

#define NOW    INT64_C(1764000000000)
#define S_MS   INT64_C(1000)
#define H_MS   (3600 * S_MS)
#define SECRET "0123456789abcdefghijklmnopqrstuvwxyzABCDE-_"

// --- the table ---

static struct login login_of(char token)
{
    struct login login = { .ends_at_ms = NOW + 12 * H_MS, .idle_ms = H_MS };

    memset(login.token_hash, token, sizeof(login.token_hash));
    return login;
}

static struct buf add(struct login_table *t, char token, int64_t now_ms)
{
    struct login login = login_of(token);
    struct buf secret;

    buf_init(&secret, 0);
    login_add(t, &login, now_ms, 32, &secret);
    return secret;
}

static bool is_there(struct login_table *t, const struct buf *secret,
                     int64_t now_ms)
{
    return login_find(t, buf_str(secret), now_ms) != NULL;
}

static void a_session_ends_in_time(void **state)
{
    static const struct {
        int64_t asked_ms[3]; // the last one is judged
        bool is_there;
    } cases[] = {
        { { 0, 0, H_MS - 1 }, true },
        { { 0, 0, H_MS }, false }, // idle
        { { 0, H_MS - 1, 2 * H_MS - 2 }, true },
        { { 0, H_MS - 1, 2 * H_MS - 1 }, false },
        { { 0, 0, -60 * S_MS }, true }, // the clock was corrected
        { { 0, 0, -61 * S_MS }, false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct login_table t;
        struct buf secret;

        login_table_init(&t, 4);
        secret = add(&t, 'a', NOW);
        assert_true(is_there(&t, &secret, NOW + cases[i].asked_ms[0]));
        assert_true(is_there(&t, &secret, NOW + cases[i].asked_ms[1]));
        if (is_there(&t, &secret, NOW + cases[i].asked_ms[2]) !=
            cases[i].is_there)
            fail_msg("case %zu", i);
        buf_clear(&secret);
        login_table_clear(&t);
    }
}

static void a_session_in_use_ends_all_the_same(void **state)
{
    struct login_table t;
    struct buf secret;

    (void)state;
    login_table_init(&t, 4);
    secret = add(&t, 'a', NOW);
    for (int64_t at = 0; at < 12 * H_MS; at += H_MS / 2)
        assert_true(is_there(&t, &secret, NOW + at));
    assert_false(is_there(&t, &secret, NOW + 12 * H_MS));
    buf_clear(&secret);
    login_table_clear(&t);
}

static void secrets_are_found_as_they_were_given(void **state)
{
    struct login_table t;
    struct buf a, b;

    (void)state;
    login_table_init(&t, 4);
    a = add(&t, 'a', NOW);
    b = add(&t, 'b', NOW);
    assert_int_equal(a.n_bytes, 43);
    assert_false(str_eq(buf_str(&a), buf_str(&b)));
    assert_int_equal(login_find(&t, buf_str(&a), NOW)->token_hash[0], 'a');
    assert_int_equal(login_find(&t, buf_str(&b), NOW)->token_hash[0], 'b');
    assert_null(login_find(&t, STR_EMPTY, NOW));
    assert_null(login_find(&t, STR(SECRET), NOW));
    login_remove(&t, buf_str(&a));
    login_remove(&t, STR(SECRET));
    assert_false(is_there(&t, &a, NOW));
    assert_true(is_there(&t, &b, NOW));
    buf_clear(&a);
    buf_clear(&b);
    login_table_clear(&t);
}

static void a_full_table_takes_from_the_token_that_has_most(void **state)
{
    struct login_table t;
    struct buf other, secrets[4];

    (void)state;
    login_table_init(&t, 4);
    other = add(&t, 'o', NOW);
    for (size_t i = 0; i < 4; i++) // one too many
        secrets[i] = add(&t, 'a', NOW + (int64_t)i);
    assert_true(is_there(&t, &other, NOW));
    assert_false(is_there(&t, &secrets[0], NOW));
    for (size_t i = 1; i < 4; i++) {
        assert_true(is_there(&t, &secrets[i], NOW));
        buf_clear(&secrets[i]);
    }
    buf_clear(&secrets[0]);
    buf_clear(&other);
    login_table_clear(&t);
}

// Adds an entry of one of an organization's tokens.
static struct buf add_of(struct login_table *t, char org, char token)
{
    struct login login = login_of(token);
    struct buf secret;

    buf_init(&secret, 0);
    login.org[0] = org;
    login.n_org_bytes = 1;
    login_add(t, &login, NOW, 32, &secret);
    return secret;
}

// Many tokens do not help, and neither does a token that others have, too (the admin
// token, with links for organizations).
static void an_organization_takes_its_own_place_alone(void **state)
{
    static const char *const tokens[] = { "abcdef", "oooooo" };

    (void)state;
    for (size_t k = 0; k < sizeof(tokens) / sizeof(tokens[0]); k++) {
        struct login_table t;
        struct buf other[2], secrets[6];

        login_table_init(&t, 4);
        other[0] = add_of(&t, 'x', 'o');
        other[1] = add_of(&t, 'x', 'o');
        for (size_t i = 0; i < 6; i++)
            secrets[i] = add_of(&t, 'y', tokens[k][i]);
        for (size_t i = 0; i < 2; i++) {
            assert_true(is_there(&t, &other[i], NOW));
            buf_clear(&other[i]);
        }
        for (size_t i = 0; i < 6; i++) {
            assert_int_equal(is_there(&t, &secrets[i], NOW), i >= 4);
            buf_clear(&secrets[i]);
        }
        login_table_clear(&t);
    }
}

static void what_has_ended_makes_room_first(void **state)
{
    struct login_table t;
    struct buf old, young, new;

    (void)state;
    login_table_init(&t, 2);
    old = add(&t, 'a', NOW);
    young = add(&t, 'b', NOW + H_MS / 2);
    new = add(&t, 'b', NOW + H_MS);
    assert_false(is_there(&t, &old, NOW + H_MS));
    assert_true(is_there(&t, &young, NOW + H_MS));
    assert_true(is_there(&t, &new, NOW + H_MS));
    buf_clear(&old);
    buf_clear(&young);
    buf_clear(&new);
    login_table_clear(&t);
}

// --- the cookie ---

static void the_cookie_is_found_among_others(void **state)
{
    static const struct {
        const char *header;
        bool is_there;
    } cases[] = {
        { "__Host-posthorn=" SECRET, true },
        { "a=b; __Host-posthorn=" SECRET "; c=d", true },
        { "a=b;__Host-posthorn=" SECRET " ;c", true },
        { "__Host-posthorn=; __Host-posthorn=" SECRET, true },
        { "", false },
        { "__Host-posthorn=", false },
        { "__Host-posthorn=" SECRET "x", false },
        { "__Host-posthorn=\"" SECRET "\"", false },
        { "__host-posthorn=" SECRET, false },
        { "x__Host-posthorn=" SECRET, false },
        { "a=__Host-posthorn=" SECRET, false },
        { "__Host-posthorn =" SECRET, false },
        { "__Host-posthorn=0123456789abcdefghijklmnopqrstuvwxyzABCDE-+",
          false },
        { ";;;=;", false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct str found = cookie_find(str_of(cases[i].header));

        if (str_is(found, SECRET) != cases[i].is_there)
            fail_msg("%s", cases[i].header);
    }
}

static void the_cookie_is_for_this_host_and_no_script(void **state)
{
    struct buf line;

    (void)state;
    buf_init(&line, 0);
    cookie_put_line(STR(SECRET), &line);
    assert_string_equal(buf_cstr(&line),
                        "Set-Cookie: __Host-posthorn=" SECRET
                        "; Path=/; Secure; HttpOnly; SameSite=Strict\r\n");
    buf_reset(&line);
    cookie_put_line(STR_EMPTY, &line);
    assert_string_equal(buf_cstr(&line),
                        "Set-Cookie: __Host-posthorn=; Path=/; Secure; "
                        "HttpOnly; SameSite=Strict; Max-Age=0\r\n");
    buf_clear(&line);
}

// --- where requests come from ---

static void hosts_of_this_machine_are_known(void **state)
{
    static const struct {
        const char *host;
        bool is_here;
    } cases[] = {
        { "localhost", true },
        { "LOCALHOST:8080", true },
        { "a.localhost:1", true },
        { "127.0.0.1:8080", true },
        { "127.8.9.10", true },
        { "[::1]:80", true },
        { "::1", true },
        { "::ffff:127.0.0.1", true },
        { "", false },
        { "192.0.2.7", false },
        { "127.0.0.1.example", false },
        { "127.example", false },
        { "[::2]", false },
        { "xlocalhost", false },
        { "::ffff:192.0.2.7", false },
        { "localhost:x", false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (host_is_loopback(str_of(cases[i].host)) != cases[i].is_here)
            fail_msg("%s", cases[i].host);
    }
}

#define PUBLIC "https://hooks.example.com/"

static void a_session_serves_our_page_alone(void **state)
{
    static const struct {
        bool may_read, may_write, may_log_in;
        const char *site, *origin, *host, *url;
    } cases[] = {
        { 1, 1, 1, "same-origin", "", "localhost", "" },
        { 1, 1, 1, "same-origin", "http://x.example", "localhost", "" },
        { 1, 0, 0, "none", "", "localhost", "" },
        { 0, 0, 0, "same-site", "http://localhost", "localhost", "" },
        { 0, 0, 0, "cross-site", "http://localhost", "localhost", "" },
        { 0, 0, 0, "Same-Origin", "", "localhost", "" },
        { 0, 0, 0, "x", "", "localhost", "" },
        { 1, 1, 1, "", "http://localhost:80", "localhost:80", "" },
        { 1, 1, 1, "", "http://LOCALHOST", "localhost", "" },
        { 1, 0, 1, "", "", "localhost", "" },
        { 0, 0, 0, "", "https://localhost", "localhost", "" },
        { 0, 0, 0, "", "http://localhost:9000", "localhost:80", "" },
        { 0, 0, 0, "", "null", "localhost", "" },
        { 0, 0, 0, "", "http://", "", "" },
        { 0, 0, 0, "", "https://hooks.example.com", "localhost", "" },
        { 1, 1, 1, "", "https://hooks.example.com", "localhost", PUBLIC },
        { 0, 0, 0, "", "https://hooks.example.com:443", "x", PUBLIC },
        { 0, 0, 0, "", "https://hooks.example.com/", "x", PUBLIC },
        { 0, 0, 0, "", "https://hooks.example.com:444", "x", PUBLIC },
        { 0, 0, 0, "", "http://hooks.example.com", "x", PUBLIC },
        { 0, 0, 0, "", "http://hooks.example.com", "hooks.example.com",
          PUBLIC },
        { 0, 0, 0, "", "https://a.hooks.example.com", "x", PUBLIC },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct origin_facts f = { .host = str_of(cases[i].host),
                                  .site = str_of(cases[i].site),
                                  .origin = str_of(cases[i].origin),
                                  .public_url = cases[i].url,
                                  .mark = STR("1") };

        f.is_read = true;
        if ((origin_fault(&f) == NULL) != cases[i].may_read)
            fail_msg("case %zu: reads", i);
        f.is_read = false;
        if ((origin_fault(&f) == NULL) != cases[i].may_write)
            fail_msg("case %zu: writes", i);
        if ((origin_login_fault(&f) == NULL) != cases[i].may_log_in)
            fail_msg("case %zu: logs in", i);
        f.mark = STR("0");
        assert_non_null(origin_fault(&f));
        f.mark = STR_EMPTY;
        assert_non_null(origin_fault(&f));
    }
}

static void a_login_is_read_by_nobody_else(void **state)
{
    static const struct {
        bool is_private, is_encrypted;
        const char *peer, *host, *url;
    } cases[] = {
        { 1, 1, "192.0.2.7", "posthorn.example", "" },
        { 1, 0, "127.0.0.1", "localhost:8080", "" },
        { 1, 0, "::1", "posthorn.localhost:8080", "" },
        { 0, 0, "127.0.0.1", "192.0.2.1:8080", "" },
        { 0, 0, "192.0.2.7", "localhost:8080", "" },
        { 0, 0, "192.0.2.7", "hooks.example.com", "" },
        { 1, 0, "192.0.2.7", "hooks.example.com", PUBLIC },
        { 1, 0, "127.0.0.1", "hooks.example.com:443", PUBLIC },
        { 0, 0, "192.0.2.7", "192.0.2.1", PUBLIC },
        { 0, 0, "192.0.2.7", "hooks.example.com", "http://hooks.example.com" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct origin_facts f = { .is_encrypted = cases[i].is_encrypted,
                                  .peer = str_of(cases[i].peer),
                                  .host = str_of(cases[i].host),
                                  .public_url = cases[i].url };

        if (origin_is_private(&f) != cases[i].is_private)
            fail_msg("case %zu", i);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_ends_in_time),
        cmocka_unit_test(a_session_in_use_ends_all_the_same),
        cmocka_unit_test(secrets_are_found_as_they_were_given),
        cmocka_unit_test(a_full_table_takes_from_the_token_that_has_most),
        cmocka_unit_test(an_organization_takes_its_own_place_alone),
        cmocka_unit_test(what_has_ended_makes_room_first),
        cmocka_unit_test(the_cookie_is_found_among_others),
        cmocka_unit_test(the_cookie_is_for_this_host_and_no_script),
        cmocka_unit_test(hosts_of_this_machine_are_known),
        cmocka_unit_test(a_session_serves_our_page_alone),
        cmocka_unit_test(a_login_is_read_by_nobody_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
