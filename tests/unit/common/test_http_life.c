// SPDX-License-Identifier: MIT
// test_http_life.c — how connections of the HTTP server live and end: answers
// that come later, caps, streams, draining.

#include "tests/support/http_loop_fixture.h"

// --- answers that come later ---

static void the_second_request_waits_for_the_first(void **state)
{
    struct fixture f;
    struct client *c;

    (void)state;
    start(&f, &http_default_limits);
    c = dial(&f, 0, GET("/hold") GET("/a") GET("/hold") GET("/b"));
    UNTIL(&f, f.n_held == 1);
    turn_a_while(&f);
    assert_int_equal(f.n_seen, 1);
    assert_int_equal(c->n_bytes, 0);
    answer(&f, 0);
    UNTIL(&f, f.n_held == 2 && has(c, "/a"));
    turn_a_while(&f);
    assert_int_equal(f.n_seen, 3);
    answer(&f, 1);
    UNTIL(&f, has(c, "/b"));
    assert_true(strstr(c->text, "held") < strstr(c->text, "/a"));
    assert_false(c->has_ended);
    assert_int_equal(figures(&f).n_buffered_bytes, 0);
    stop(&f);
}

static void a_client_that_left_is_answered_in_vain(void **state)
{
    struct fixture f;

    (void)state;
    start(&f, &http_default_limits);
    dial(&f, 0, POST("/hold", "3") "abc");
    UNTIL(&f, f.n_held == 1);
    leave(&f.clients[0]);
    dial(&f, 1, GET("/hold"));
    UNTIL(&f, f.n_held == 2);
    setsockopt(f.clients[1].fd, SOL_SOCKET, SO_LINGER,
               &(struct linger){ .l_onoff = 1 }, sizeof(struct linger));
    leave(&f.clients[1]); // with a reset
    turn_a_while(&f);
    assert_int_equal(figures(&f).n_connections, 2); // the handler has both
    answer(&f, 0);
    answer(&f, 1);
    UNTIL(&f, figures(&f).n_connections == 0);
    assert_int_equal(figures(&f).n_buffered_bytes, 0);
    assert_int_equal(f.n_dropped, 0); // both came to on_request
    stop(&f);
}

static void a_half_sent_body_is_dropped_once(void **state)
{
    struct fixture f;

    (void)state;
    start(&f, &http_default_limits);
    dial(&f, 0, POST("/a", "10") "abc");
    UNTIL(&f, figures(&f).n_buffered_bytes == 3);
    leave(&f.clients[0]);
    UNTIL(&f, f.n_dropped == 1);
    UNTIL(&f, figures(&f).n_connections == 0);
    assert_int_equal(figures(&f).n_buffered_bytes, 0);
    // Requests that break rules count, too; a refused header does not, since no handler
    // got it.
    dial(&f, 1,
         "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nx\r\n");
    UNTIL(&f, f.clients[1].has_ended && has(&f.clients[1], " 400 "));
    dial(&f, 2, "GET / HTTP/1.1\r\n\r\n");
    UNTIL(&f, f.clients[2].has_ended && has(&f.clients[2], " 400 "));
    assert_int_equal(f.n_dropped, 2);
    assert_int_equal(f.n_seen, 0);
    assert_int_equal(figures(&f).n_malformed, 2);
    stop(&f);
    assert_int_equal(f.n_dropped, 2);
}

// --- caps ---

static void bodies_of_all_together_are_limited(void **state)
{
    struct http_limits limits = http_default_limits;
    char body[601] = { 0 };
    struct fixture f;

    (void)state;
    memset(body, 'a', sizeof(body) - 1);
    limits.max_buffered_bytes = 1000;
    limits.reserve_bytes = 0;
    start(&f, &limits);
    dial(&f, 0, POST("/hold", "600"));
    say(&f.clients[0], body);
    UNTIL(&f, f.n_held == 1);
    assert_int_equal(figures(&f).n_buffered_bytes, 600);
    dial(&f, 1, POST("/a", "600"));
    say(&f.clients[1], body);
    UNTIL(&f, f.clients[1].has_ended);
    assert_true(has(&f.clients[1], " 503 "));
    assert_true(has(&f.clients[1], "Retry-After: 1\r\n"));
    assert_int_equal(f.n_dropped, 1);
    // Pipelined bytes count, too: there is no room, so this answer is the last one.
    say(&f.clients[0], POST("/a", "600"));
    say(&f.clients[0], body);
    turn_a_while(&f);
    assert_true(figures(&f).n_buffered_bytes <= 1000);
    answer(&f, 0);
    UNTIL(&f, f.clients[0].has_ended);
    assert_true(has(&f.clients[0], "Connection: close"));
    assert_int_equal(f.n_seen, 1);
    dial(&f, 2, POST("/a", "600"));
    say(&f.clients[2], body);
    UNTIL(&f, has(&f.clients[2], " 200 "));
    assert_int_equal(figures(&f).n_buffered_bytes, 0);
    stop(&f);
}

// Counts how often the loop wakes in 200 ms.
static int count_wakes(struct fixture *f)
{
    int64_t end_us = clock_mono_us() + 200000;
    int n = 0;

    for (; clock_mono_us() < end_us; n++)
        uv_run(&f->loop, UV_RUN_ONCE);
    return n;
}

// Descriptors run out: the first queued client gets 503, the others stay in the queue,
// the loop sleeps, and goes on when there are descriptors again.
static void without_descriptors_the_server_sleeps(void **state)
{
    struct rlimit old, low;
    struct fixture f;

    (void)state;
    start(&f, &http_default_limits);
    dial(&f, 0, GET("/hold"));
    UNTIL(&f, f.n_held == 1);
    for (size_t i = 1; i < 6; i++)
        make(&f, i);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    low = old;
    low.rlim_cur = (rlim_t)f.clients[5].fd + 1;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    for (size_t i = 1; i < 6; i++)
        join(&f, &f.clients[i]);
    UNTIL(&f, f.clients[1].has_ended);
    assert_true(has(&f.clients[1], " 503 "));
    assert_true(has(&f.clients[1], "Retry-After: 1\r\n"));
    assert_true(count_wakes(&f) < 10);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    turn(&f);
    assert_false(f.clients[5].has_ended);
    say(&f.clients[5], GET("/a"));
    UNTIL(&f, has(&f.clients[5], "/a"));
    answer(&f, 0);
    UNTIL(&f, has(&f.clients[0], "held"));
    stop(&f);
}

// --- streams ---

static void a_stream_is_written_piece_by_piece(void **state)
{
    struct fixture f;
    struct client *c;

    (void)state;
    start(&f, &http_default_limits);
    c = dial(&f, 0, GET("/stream"));
    UNTIL(&f, has(c, "\r\n\r\n"));
    assert_true(has(c, "Content-Type: text/event-stream\r\n"));
    assert_true(has(c, "Connection: close\r\n"));
    assert_false(has(c, "Content-Length"));
    http_stream_write(f.held[0], STR("one;"));
    UNTIL(&f, has(c, "one;"));
    assert_false(c->has_ended);
    http_stream_write(f.held[0], STR("two;"));
    http_stream_end(f.held[0]);
    UNTIL(&f, c->has_ended);
    assert_true(has(c, "one;two;"));
    assert_int_equal(f.n_gone, 0);
    stop(&f);
}

static void the_unsent_end_of_a_stream_still_comes(void **state)
{
    char *piece = xcalloc(1, 500000);
    struct fixture f;
    struct client *c;
    size_t n_bytes = 0;
    int small = 4096;

    (void)state;
    start(&f, &http_default_limits);
    c = make(&f, 0);
    setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    join(&f, c);
    say(c, GET("/stream"));
    UNTIL(&f, f.n_held == 1 && has(c, "\r\n\r\n"));
    c->is_reading = false;
    n_bytes = c->n_bytes;
    for (int i = 0; i < 2; i++) // more than the kernel takes, less than 1 MiB
        http_stream_write(f.held[0], (struct str){ piece, 500000 });
    http_stream_end(f.held[0]);
    for (int i = 0; i < 1500; i++)
        turn(&f); // longer than a connection lingers
    assert_int_equal(f.n_gone, 0);
    c->is_reading = true;
    while (!c->has_ended) {
        c->n_bytes = 0;
        turn(&f);
        n_bytes += c->n_bytes;
    }
    assert_true(n_bytes > 1000000);
    stop(&f);
    free(piece);
}

static void a_stream_is_told_that_its_client_is_gone(void **state)
{
    char *piece = xcalloc(1, 65536);
    struct fixture f;

    (void)state;
    start(&f, &http_default_limits);
    dial(&f, 0, GET("/stream"));
    UNTIL(&f, f.n_held == 1);
    leave(&f.clients[0]);
    UNTIL(&f, f.n_gone == 1);
    http_stream_write(f.held[0], STR("nobody reads this"));
    http_stream_end(f.held[0]);
    // A client that is connected but does not read.
    dial(&f, 1, GET("/stream"));
    f.clients[1].is_reading = false;
    UNTIL(&f, f.n_held == 2);
    for (int i = 0; i < 1000 && f.n_gone == 1; i++) {
        http_stream_write(f.held[1], (struct str){ piece, 65536 });
        if (i % 100 == 99)
            turn(&f); // on_gone never runs inside a call
    }
    UNTIL(&f, f.n_gone == 2);
    http_stream_end(f.held[1]);
    UNTIL(&f, figures(&f).n_connections == 0);
    stop(&f);
    free(piece);
}

// --- draining ---

static void a_drain_finishes_what_is_in_work(void **state)
{
    struct fixture f;

    (void)state;
    start(&f, &http_default_limits);
    dial(&f, 0, GET("/a"));    // idle then
    dial(&f, 1, GET("/hold")); // in work
    UNTIL(&f, f.n_held == 1);
    dial(&f, 2, GET("/stream"));
    dial(&f, 3, POST("/a", "3") "ab"); // half sent
    UNTIL(&f, has(&f.clients[0], "/a") && f.n_held == 2 &&
                  figures(&f).n_buffered_bytes == 2);
    drain(&f);
    UNTIL(&f, f.clients[0].has_ended && f.n_gone == 1);
    http_stream_end(f.held[1]);
    say(&f.clients[3], "c");
    UNTIL(&f, f.clients[3].has_ended);
    assert_true(has(&f.clients[3], " 200 "));
    assert_true(has(&f.clients[3], "Connection: close"));
    turn_a_while(&f);
    assert_false(f.is_drained);
    assert_false(f.clients[1].has_ended);
    answer(&f, 0);
    UNTIL(&f, f.clients[1].has_ended);
    assert_true(has(&f.clients[1], "held"));
    assert_true(has(&f.clients[1], "Connection: close"));
    stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_second_request_waits_for_the_first),
        cmocka_unit_test(a_client_that_left_is_answered_in_vain),
        cmocka_unit_test(a_half_sent_body_is_dropped_once),
        cmocka_unit_test(bodies_of_all_together_are_limited),
        cmocka_unit_test(without_descriptors_the_server_sleeps),
        cmocka_unit_test(a_stream_is_written_piece_by_piece),
        cmocka_unit_test(the_unsent_end_of_a_stream_still_comes),
        cmocka_unit_test(a_stream_is_told_that_its_client_is_gone),
        cmocka_unit_test(a_drain_finishes_what_is_in_work),
    };

    return cmocka_run_group_tests_name("http_life", tests, NULL, NULL);
}
