// SPDX-License-Identifier: MIT
// test_auth_requests.c — what the token of a request allows, and how guessing is slowed
// down.

#include "common/base/codec.h"
#include "common/fairness/rate_limiter.h"
#include "common/http/authentication.h"
#include "tests/support/http_loop_fixture.h"

#define ADMIN    "pht_admin_0123456789"
#define GIVEN    "pht_given_0123456789" // of an organization
#define WRONG    "pht_wrong_0123456789"
#define AS(t)    "Authorization: token " t "\r\n"
#define AKINON   "0123456789abcdef01234567"
#define REFUSALS 50 // of an address, before it is slowed down
#define S        INT64_C(1000000)

// What the server asks of a request, and what it knows.
static struct {
    struct auth *auth;
    struct str org;
    enum auth_scope scope;
    struct str own; // the organization of GIVEN; empty: there is no such token
    unsigned scopes;
    int64_t expires_at_ms;
    size_t n_lookups;
    enum err storage;        // not OK: what each lookup meets
    struct auth_grant grant; // of the last request that was allowed
} server;

static char dir[64], path[96];
static struct fixture f;

static enum err look_up(void *data, const uint8_t hash[SHA256_BYTES],
                        struct auth_grant *out)
{
    uint8_t known[SHA256_BYTES];

    assert_ptr_equal(data, &server);
    server.n_lookups++;
    crypto_sha256(STR(GIVEN), known);
    if (server.storage != OK)
        return server.storage;
    if (server.own.n_bytes == 0 || memcmp(hash, known, SHA256_BYTES) != 0)
        return ERR_NOTFOUND;
    auth_grant_set(out, server.own, server.scopes, server.expires_at_ms);
    auth_grant_name(out, STR("id-1"), STR("for the shop"));
    return OK;
}

static void on_asked(struct fixture *fixture, struct http_request *r)
{
    struct http_response ok = { .status = 200 };

    (void)fixture;
    if (auth_check(server.auth, r, server.org, server.scope, &server.grant))
        http_respond(r, &ok);
}

static void write_token(const char *text)
{
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    fprintf(file, "%s\n", text);
    assert_int_equal(fclose(file), 0);
}

static int set_up(void **state)
{
    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/posthorn-auth-XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/admin.token", dir);
    write_token(ADMIN);
    memset(&server, 0, sizeof(server));
    server.auth = auth_new(dir);
    server.own = STR("acme");
    server.scopes = 1U << AUTH_READ;
    server.scope = AUTH_READ;
    assert_non_null(server.auth);
    auth_set_lookup(server.auth, look_up, &server);
    start(&f, &http_default_limits);
    f.answer_other = on_asked;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    stop(&f);
    auth_free(server.auth);
    unlink(path);
    return rmdir(dir);
}

// Sends a request with these header lines, and returns the status. c->text is the
// answer.
static int ask_on(struct client *c, const char *target, const char *headers)
{
    char text[1024];

    snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\n" HOST "%s\r\n", target,
             headers);
    memset(c->text, 0, c->n_bytes);
    c->n_bytes = 0;
    say(c, text);
    UNTIL(&f, has(c, "\r\n\r\n"));
    return (int)strtol(c->text + strlen("HTTP/1.1 "), NULL, 10);
}

static int ask(const char *headers)
{
    struct client *c = &f.clients[0];

    if (c->fd < 0) {
        make(&f, 0);
        join(&f, c);
    }
    return ask_on(c, "/x", headers);
}

// --- which token it is ---

static void a_token_comes_in_either_header_and_under_either_scheme(void **state)
{
    (void)state;
    assert_int_equal(ask(AS(ADMIN)), 200);
    assert_true(server.grant.is_admin);
    assert_int_equal(ask("authorization: TOKEN   " ADMIN "\r\n"), 200);
    assert_int_equal(ask("Authorization: bearer " ADMIN "\r\n"), 200);
    assert_int_equal(ask("x-access-token: " ADMIN "\r\n"), 200);
    assert_int_equal(ask(AS(WRONG) "x-access-token: " ADMIN "\r\n"), 200);
    assert_int_equal(ask("Authorization: " ADMIN "\r\n"), 401);
    assert_int_equal(ask("Authorization: Basic " ADMIN "\r\n"), 401);
    assert_int_equal(ask("Authorization: token \r\n"), 401);
    assert_int_equal(ask("x-access-token: \r\n"), 401);
    assert_true(has(&f.clients[0], "WWW-Authenticate: token"));
    assert_int_equal(ask(""), 401);
}

static void a_token_in_the_query_is_refused_though_it_is_right(void **state)
{
    struct client *c = make(&f, 0);

    (void)state;
    join(&f, c);
    assert_int_equal(ask_on(c, "/x?token=" ADMIN, ""), 400);
    assert_int_equal(ask_on(c, "/x?a=1&access_token=", AS(ADMIN)), 400);
    assert_int_equal(ask_on(c, "/x?tokens=1", AS(ADMIN)), 200);
}

static void a_token_that_is_revoked_stops_working_at_once(void **state)
{
    (void)state;
    assert_int_equal(ask(AS(GIVEN)), 200);
    assert_false(server.grant.is_admin);
    assert_memory_equal(server.grant.id, "id-1", server.grant.n_id_bytes);
    assert_int_equal(ask(AS(GIVEN)), 200);
    assert_int_equal(server.n_lookups, 2); // nothing is remembered
    server.own = STR_EMPTY;
    assert_int_equal(ask(AS(GIVEN)), 401);
}

static void a_token_that_cannot_be_looked_up_is_not_refused(void **state)
{
    (void)state;
    server.storage = ERR_IO;
    for (size_t i = 0; i < 2 * (size_t)REFUSALS; i++)
        assert_int_equal(ask(AS(GIVEN)), 503);
    assert_true(has(&f.clients[0], "Retry-After: 1\r\n"));
    assert_int_equal(ask(AS(WRONG) "x-access-token: " ADMIN "\r\n"), 200);
    assert_int_equal(ask(AS(ADMIN)), 200); // is in memory
    server.storage = OK;
    assert_int_equal(ask(AS(GIVEN)), 200);
    assert_int_equal(ask(AS(WRONG)), 401);
}

static void a_token_that_has_expired_allows_nothing(void **state)
{
    (void)state;
    server.expires_at_ms = clock_now_ms() + 3600000;
    assert_int_equal(ask(AS(GIVEN)), 200);
    server.expires_at_ms = clock_now_ms();
    assert_int_equal(ask(AS(GIVEN)), 401);
}

static void the_admin_token_is_the_one_that_was_read_last(void **state)
{
    (void)state;
    write_token("pht_fresh_0123456789");
    assert_int_equal(ask(AS(ADMIN)), 200); // it was not read again yet
    auth_reload(server.auth);
    assert_int_equal(ask(AS(ADMIN)), 401);
    assert_int_equal(ask(AS("pht_fresh_0123456789")), 200);
}

// --- what it allows ---

static void a_token_allows_its_scopes_in_its_organization(void **state)
{
    static const struct {
        const char *own, *org;
        enum auth_scope scope;
        int with_token, with_admin;
    } cases[] = {
        { "acme", "", AUTH_READ, 200, 200 }, // about its own
        { "acme", "acme", AUTH_READ, 200, 200 },
        { "acme", "acme", AUTH_WRITE, 403, 200 },
        { "acme", "acme", AUTH_INGEST, 403, 200 },
        { "acme", "acme", AUTH_ADMIN, 403, 200 },
        { "acme", "acm", AUTH_READ, 403, 200 },
        { "acme", "acme2", AUTH_READ, 403, 200 },
        { "acme", "ACME", AUTH_READ, 403, 200 },
        { "acme", "acm", AUTH_ANY, 200, 200 },
        { AKINON, "0123456789ABCDEF01234567", AUTH_READ, 200, 200 },
        { AKINON, "1123456789abcdef01234567", AUTH_READ, 403, 200 },
        { "posthorn", "posthorn", AUTH_READ, 403, 200 }, // the operator's
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        server.own = str_of(cases[i].own);
        server.org = str_of(cases[i].org);
        server.scope = cases[i].scope;
        if (ask(AS(GIVEN)) != cases[i].with_token ||
            ask(AS(ADMIN)) != cases[i].with_admin)
            fail_msg("case %zu: %s", i, f.clients[0].text);
    }
}

static void who_is_forbidden_learns_what_the_token_is_for(void **state)
{
    (void)state;
    server.scopes = 1U << AUTH_READ | 1U << AUTH_INGEST;
    server.scope = AUTH_WRITE;
    server.org = STR("other");
    assert_int_equal(ask(AS(GIVEN)), 403);
    UNTIL(&f, has(&f.clients[0], "other"));
    assert_true(has(&f.clients[0], "the scopes ingest and read; this needs the "
                                   "scope write in the organization"));
    server.scopes = 1U << AUTH_READ;
    server.scope = AUTH_ADMIN;
    assert_int_equal(ask(AS(GIVEN)), 403);
    UNTIL(&f, has(&f.clients[0], "admin token"));
    assert_true(has(&f.clients[0], "the scope read; this needs the admin"));
    server.org = STR("posthorn");
    server.scope = AUTH_READ;
    assert_int_equal(ask(AS(GIVEN)), 403);
    UNTIL(&f, has(&f.clients[0], "is the operator's"));
}

static void names_that_are_too_long_are_cut(void **state)
{
    static char text[300];
    struct auth_grant grant;

    (void)state;
    memset(text, 'x', sizeof(text));
    auth_grant_set(&grant, (struct str){ text, AUTH_ORG_MAX_BYTES }, 1, 0);
    assert_int_equal(grant.n_org_bytes, AUTH_ORG_MAX_BYTES);
    auth_grant_name(&grant, (struct str){ text, AUTH_ID_MAX_BYTES + 1 },
                    (struct str){ text, AUTH_NAME_MAX_BYTES + 1 });
    assert_int_equal(grant.n_id_bytes, AUTH_ID_MAX_BYTES);
    assert_int_equal(grant.n_name_bytes, AUTH_NAME_MAX_BYTES);
    // An organization that was cut would be another one: it allows nothing.
    auth_grant_set(&grant, (struct str){ text, AUTH_ORG_MAX_BYTES + 1 }, 1, 0);
    assert_int_equal(grant.scopes, 0);
}

// --- guessing ---

// An address of this machine that does not share its limit with 127.0.0.1 by chance.
static struct sockaddr_in another_address(void)
{
    struct sockaddr_in at = { .sin_family = AF_INET };
    char text[INET_ADDRSTRLEN] = "127.0.0.1";
    uint64_t ours = hash_here(str_of(text), 0) % LIMITER_BUCKETS;

    for (uint32_t i = 1; hash_here(str_of(text), 0) % LIMITER_BUCKETS == ours;
         i++) {
        at.sin_addr.s_addr = htonl(INADDR_LOOPBACK + i);
        inet_ntop(AF_INET, &at.sin_addr, text, sizeof(text));
    }
    return at;
}

static void who_guesses_is_slowed_down_and_nobody_else(void **state)
{
    struct sockaddr_in other = another_address();
    int64_t begin_us = clock_mono_us();
    struct client *c;
    size_t n = 0;

    (void)state;
    while (n < 10 * (size_t)REFUSALS && ask(AS(WRONG)) == 401)
        n++;
    // Ten more a second may pass meanwhile.
    assert_in_range(n, REFUSALS,
                    REFUSALS + 1 + (clock_mono_us() - begin_us) * 10 / S);
    assert_true(has(&f.clients[0], "HTTP/1.1 429"));
    assert_true(has(&f.clients[0], "Retry-After: 1\r\n"));
    // The address may go on with a token that is right.
    assert_int_equal(ask(AS(ADMIN)), 200);
    assert_int_equal(ask(AS(GIVEN)), 200);
    // So may a guest of another address.
    c = make(&f, 1);
    assert_int_equal(bind(c->fd, (struct sockaddr *)&other, sizeof(other)), 0);
    join(&f, c);
    assert_int_equal(ask_on(c, "/x", AS(WRONG)), 401);
    // After a tenth of a second one more try is judged.
    usleep(110000);
    assert_int_equal(ask(AS(WRONG)), 401);
}

static void only_refused_credentials_count_as_guessing(void **state)
{
    (void)state;
    server.scope = AUTH_WRITE;
    for (size_t i = 0; i < REFUSALS; i++)
        assert_int_equal(ask(AS(GIVEN)), 403);
    for (size_t i = 0; i < REFUSALS; i++)
        assert_int_equal(ask(AS(ADMIN)), 200);
    for (size_t i = 0; i < REFUSALS; i++)
        assert_int_equal(ask(AS(WRONG)), 401);
}

static bool take(struct limiter *l, const char *key, int64_t at_us)
{
    return limiter_take(l, str_of(key), at_us);
}

static void a_limit_forgets_with_time_and_not_more_than_was_used(void **state)
{
    static struct limiter l;
    int64_t at_us = 5 * S;

    (void)state;
    limiter_init(&l, 10, 3);
    for (int i = 0; i < 3; i++)
        assert_true(take(&l, "a", at_us));
    assert_false(take(&l, "a", at_us));
    assert_false(take(&l, "a", at_us + S / 10 - 1000));
    // A try in vain does not put off the next one.
    assert_true(take(&l, "a", at_us + S / 10 + 1000));
    assert_false(take(&l, "a", at_us + S / 10 + 1000));
    // After an hour there is as much room as at first, not more.
    at_us += 3600 * S;
    for (int i = 0; i < 3; i++)
        assert_true(take(&l, "a", at_us));
    assert_false(take(&l, "a", at_us));
}

#define EACH(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(a_token_comes_in_either_header_and_under_either_scheme),
        EACH(a_token_in_the_query_is_refused_though_it_is_right),
        EACH(a_token_that_is_revoked_stops_working_at_once),
        EACH(a_token_that_cannot_be_looked_up_is_not_refused),
        EACH(a_token_that_has_expired_allows_nothing),
        EACH(the_admin_token_is_the_one_that_was_read_last),
        EACH(a_token_allows_its_scopes_in_its_organization),
        EACH(who_is_forbidden_learns_what_the_token_is_for),
        cmocka_unit_test(names_that_are_too_long_are_cut),
        EACH(who_guesses_is_slowed_down_and_nobody_else),
        EACH(only_refused_credentials_count_as_guessing),
        cmocka_unit_test(a_limit_forgets_with_time_and_not_more_than_was_used),
    };

    return cmocka_run_group_tests_name("auth_requests", tests, NULL, NULL);
}
