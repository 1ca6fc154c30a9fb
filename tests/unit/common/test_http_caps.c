// SPDX-License-Identifier: MIT
// test_http_caps.c — how many connections and requests in progress there may be, and which
// connection is closed to make room for a new one.

#include "tests/support/http_loop_fixture.h"

// Where there is room for two.
static void hold_two_and_refuse_a_third(struct fixture *f)
{
    dial(f, 0, GET("/hold"));
    dial(f, 1, GET("/hold"));
    UNTIL(f, f->n_held == 2);
    dial(f, 2, GET("/a"));
    UNTIL(f, f->clients[2].has_ended);
    assert_true(has(&f->clients[2], " 503 "));
    assert_true(has(&f->clients[2], "Retry-After: 1\r\n"));
}

static void an_address_has_its_share(void **state)
{
    struct http_limits limits = http_default_limits;
    struct fixture f;

    (void)state;
    limits.max_per_address = 2;
    start(&f, &limits);
    hold_two_and_refuse_a_third(&f);
    assert_true(has(&f.clients[2], "Connection: close\r\n"));
    leave(&f.clients[2]);
    answer(&f, 0);
    UNTIL(&f, has(&f.clients[0], "held"));
    // Behind a proxy all clients have one address: an idle connection of it makes room.
    dial(&f, 3, GET("/a"));
    UNTIL(&f, has(&f.clients[3], "/a") && f.clients[0].has_ended);
    assert_false(f.clients[1].has_ended);
    answer(&f, 1);
    UNTIL(&f, has(&f.clients[1], "held"));
    stop(&f);
}

static void start_with_shares(struct fixture *f)
{
    struct http_limits limits = http_default_limits;

    limits.max_connections = 4;
    start(f, &limits);
    f->holds = (struct share_limit){ .whole = 4, .of_one = 2, .reserve = 1 };
    dial(f, 0, GET("/hold/7"));
    dial(f, 1, POST("/hold/7", "3")); // its body does not come
    UNTIL(f, f->n_held == 1 && f->n_holding == 2);
}

// A holder has a share of the requests in progress; connections without a holder make
// room for new ones.
static void a_holder_has_its_share(void **state)
{
    struct fixture f;

    (void)state;
    start_with_shares(&f);
    dial(&f, 2, GET("/hold/7"));
    UNTIL(&f, has(&f.clients[2], " 429 "));
    // Waiting connections make room, those with a holder's request do not.
    dial(&f, 3, POST("/a", "3"));
    dial(&f, 4, GET("/a"));
    UNTIL(&f, has(&f.clients[4], " 200 ") && f.clients[2].has_ended);
    dial(&f, 5, GET("/hold/8"));
    UNTIL(&f, f.n_holding == 3 && f.n_held == 2 && f.clients[3].has_ended);
    dial(&f, 6, GET("/hold/9"));
    UNTIL(&f, has(&f.clients[6], " 429 ")); // the reserve
    assert_false(f.clients[0].has_ended || f.clients[1].has_ended);
    answer(&f, 0);
    answer(&f, 1);
    stop(&f);
}

static void an_answer_gives_the_share_back(void **state)
{
    struct fixture f;

    (void)state;
    start_with_shares(&f);
    say(&f.clients[1], "abc");
    UNTIL(&f, f.n_held == 2);
    answer(&f, 0);
    UNTIL(&f, has(&f.clients[0], "held"));
    dial(&f, 2, GET("/hold/7"));
    UNTIL(&f, f.n_held == 3);
    leave(&f.clients[2]); // also if its client has gone meanwhile
    turn_a_while(&f);
    dial(&f, 3, GET("/hold/7"));
    UNTIL(&f, has(&f.clients[3], " 429 "));
    answer(&f, 2);
    dial(&f, 4, GET("/hold/7"));
    UNTIL(&f, f.n_held == 4);
    answer(&f, 1);
    answer(&f, 3);
    stop(&f);
}

static void without_room_the_newcomer_is_refused(void **state)
{
    struct http_limits limits = http_default_limits;
    struct fixture f;

    (void)state;
    limits.max_connections = 2;
    start(&f, &limits);
    hold_two_and_refuse_a_third(&f);
    answer(&f, 0);
    answer(&f, 1);
    UNTIL(&f, has(&f.clients[0], "held") && has(&f.clients[1], "held"));
    // Now both wait; the first has waited longest, even if it sends a few bytes.
    say(&f.clients[0], "GET /a");
    turn_a_while(&f);
    dial(&f, 3, GET("/a"));
    UNTIL(&f, has(&f.clients[3], " 200 ") && f.clients[0].has_ended);
    turn_a_while(&f);
    assert_false(f.clients[1].has_ended);
    stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_has_its_share),
        cmocka_unit_test(a_holder_has_its_share),
        cmocka_unit_test(an_answer_gives_the_share_back),
        cmocka_unit_test(without_room_the_newcomer_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
