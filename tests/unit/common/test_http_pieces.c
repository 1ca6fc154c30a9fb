// SPDX-License-Identifier: MIT
// test_http_pieces.c — answers that are made while their clients read, and the bytes that
// are held for clients.

#include "tests/support/http_loop_fixture.h"

#define PIECES 40

// A body of PIECES pieces: 'a' + k, as often as PIECE_BYTES says.
#define PIECE_BYTES ((size_t)50000)

struct making {
    size_t n_made;
    size_t fails_at; // 0: never
    bool makes_nothing;
    int n_done;
};

static struct making making;

static enum http_more next(void *data, struct buf *out)
{
    struct making *m = data;
    char bytes[256];

    m->n_made++;
    if (m->n_made == m->fails_at)
        return HTTP_FAILED;
    memset(bytes, (int)('a' + m->n_made % 26), sizeof(bytes));
    while (!m->makes_nothing && out->n_bytes < PIECE_BYTES)
        buf_put(out, bytes, sizeof(bytes));
    return m->n_made == PIECES ? HTTP_LAST : HTTP_MORE;
}

static void done(void *data)
{
    struct making *m = data;

    m->n_done++;
}

static void begin(struct http_request *r)
{
    struct http_producer producer = { next, done, &making };
    struct http_response first = { .status = 200, .body = STR("first;") };

    assert_true(http_has_room(r, HTTP_LONG_BYTES));
    making.n_done = 0;
    making.n_made = 0;
    assert_true(http_respond_pieces(r, &first, &producer));
    assert_int_equal(making.n_done, 0); // never inside
}

static void make_answer(struct fixture *f, struct http_request *r)
{
    struct http_response full = { .status = 503 };

    if (str_starts(r->path, STR("/org-")))
        http_charge(r, r->path, false);
    if (str_is(r->path, "/admin"))
        http_charge(r, r->path, true);
    if (str_is(r->path, "/vital")) {
        static char page[100000];
        struct http_response vital = { .status = 200,
                                       .body = { page, sizeof(page) },
                                       .is_vital = true };

        memset(page, 'v', sizeof(page));
        http_respond(r, &vital);
    } else if (!http_has_room(r, HTTP_LONG_BYTES)) {
        http_respond(r, &full);
    } else {
        begin(r);
    }
    (void)f;
}

static struct client *dial_small(struct fixture *f, size_t i, const char *text)
{
    struct client *c = make(f, i);
    int small = 4096;

    setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    join(f, c);
    c->is_reading = false;
    say(c, text);
    return c;
}

static void begin_test(struct fixture *f, const struct http_limits *limits)
{
    making = (struct making){ .n_made = 0 };
    start(f, limits);
    f->answer_other = make_answer;
}

// Reads until the text ends with `end`; the bytes are counted, not kept.
static size_t read_to(struct fixture *f, struct client *c, const char *end)
{
    size_t n_end = strlen(end);
    size_t n_bytes = 0;
    int64_t until_us = clock_mono_us() + WAIT_US;

    c->is_reading = true;
    for (;;) {
        bool is_there = c->n_bytes >= n_end &&
                        memcmp(c->text + c->n_bytes - n_end, end, n_end) == 0;

        if (is_there || c->has_ended)
            return n_bytes + c->n_bytes;
        if (c->n_bytes > TEXT_BYTES / 2) {
            memmove(c->text, c->text + c->n_bytes - n_end, n_end);
            n_bytes += c->n_bytes - n_end;
            c->n_bytes = n_end;
        }
        turn_until(f, until_us, end);
    }
}

#define WHOLE (PIECES * PIECE_BYTES)

static void
a_long_answer_comes_in_chunks_and_the_next_request_after_it(void **state)
{
    struct fixture f;
    struct client *c;

    (void)state;
    begin_test(&f, &http_default_limits);
    c = dial(&f, 0, GET("/long") GET("/a"));
    UNTIL(&f, has(c, "\r\n\r\n"));
    assert_true(has(c, "Transfer-Encoding: chunked\r\n"));
    assert_true(has(c, "\r\n\r\n6\r\nfirst;\r\n"));
    assert_false(has(c, "Content-Length"));
    assert_true(read_to(&f, c, "\r\n\r\n/a") > WHOLE);
    assert_int_equal(making.n_made, PIECES);
    assert_int_equal(making.n_done, 1);
    assert_false(c->has_ended);
    assert_int_equal(figures(&f).n_buffered_bytes, 0);
    assert_int_equal(figures(&f).n_output_bytes, 0);
    stop(&f);
}

static void pieces_wait_for_the_client(void **state)
{
    struct fixture f;
    struct client *c;
    size_t n_made;

    (void)state;
    begin_test(&f, &http_default_limits);
    c = dial_small(&f, 0, GET("/long"));
    turn_a_while(&f);
    n_made = making.n_made;
    assert_true(n_made > 0 && n_made < PIECES / 2);
    assert_true(figures(&f).n_output_bytes >= HTTP_LONG_BYTES);
    assert_true(figures(&f).n_output_bytes <= 2 * HTTP_LONG_BYTES);
    turn_a_while(&f);
    assert_int_equal(making.n_made, n_made);
    assert_true(read_to(&f, c, "0\r\n\r\n") > WHOLE);
    assert_int_equal(making.n_done, 1);
    UNTIL(&f, figures(&f).n_output_bytes == 0);
    stop(&f);
}

static void a_client_of_http_1_0_gets_the_end_of_the_connection(void **state)
{
    struct fixture f;
    struct client *c;

    (void)state;
    begin_test(&f, &http_default_limits);
    c = dial(&f, 0,
             "GET /long HTTP/1.0\r\nConnection: keep-alive\r\n" HOST "\r\n");
    UNTIL(&f, has(c, "\r\n\r\nfirst;"));
    assert_true(has(c, "Connection: close\r\n"));
    assert_false(has(c, "chunked"));
    read_to(&f, c, "never");
    assert_true(c->has_ended);
    assert_int_equal(making.n_made, PIECES);
    stop(&f);
}

static void a_head_makes_no_pieces(void **state)
{
    struct fixture f;
    struct client *c;

    (void)state;
    begin_test(&f, &http_default_limits);
    c = dial(&f, 0, "HEAD /long HTTP/1.1\r\n" HOST "\r\n" GET("/a"));
    UNTIL(&f, has(c, "\r\n\r\n/a"));
    assert_true(has(c, "Transfer-Encoding: chunked\r\n"));
    assert_false(has(c, "first;"));
    assert_int_equal(making.n_made, 0);
    assert_int_equal(making.n_done, 1);
    stop(&f);
}

static void an_answer_that_fails_midway_is_cut(void **state)
{
    struct fixture f;
    char byte;

    (void)state;
    begin_test(&f, &http_default_limits);
    making.fails_at = 5;
    for (size_t i = 0; i < 2; i++) {
        struct client *c =
            dial(&f, i,
                 i == 0 ? GET("/long") : "GET /long HTTP/1.0\r\n" HOST "\r\n");

        c->is_reading = false;
        UNTIL(&f, making.n_done == 1 && figures(&f).n_connections == 0);
        while (recv(c->fd, &byte, 1, MSG_DONTWAIT) == 1) {
        }
        assert_int_equal(errno, ECONNRESET);
        making.n_done = 0;
    }
    assert_int_equal(figures(&f).n_buffered_bytes, 0);
    stop(&f);
}

static void pieces_that_are_empty_do_not_end_the_answer(void **state)
{
    struct fixture f;
    struct client *c;

    (void)state;
    begin_test(&f, &http_default_limits);
    making.makes_nothing = true;
    c = dial(&f, 0, GET("/long"));
    UNTIL(&f, has(c, "first;\r\n0\r\n\r\n"));
    assert_int_equal(making.n_made, PIECES);
    stop(&f);
}

static void a_client_that_goes_ends_the_making(void **state)
{
    struct fixture f;

    (void)state;
    begin_test(&f, &http_default_limits);
    dial_small(&f, 0, GET("/long"));
    UNTIL(&f, making.n_made > 0);
    turn_a_while(&f);
    leave(&f.clients[0]);
    UNTIL(&f, making.n_done == 1 && figures(&f).n_connections == 0);
    assert_true(making.n_made < PIECES);
    assert_int_equal(figures(&f).n_output_bytes, 0);
    stop(&f);
}

static void a_reader_below_the_floor_is_cut(void **state)
{
    struct http_limits limits = http_default_limits;
    struct fixture f;

    (void)state;
    limits.body_timeout_ms = 500; // 512 bytes in it
    begin_test(&f, &limits);
    dial_small(&f, 0, GET("/long"));
    UNTIL(&f, making.n_done == 1 && figures(&f).n_connections == 0);
    assert_true(making.n_made < PIECES);
    assert_int_equal(figures(&f).n_timeouts, 1);
    // An answer in one go, and a stream.
    dial_small(&f, 1, GET("/vital") GET("/vital") GET("/vital") GET("/vital"));
    UNTIL(&f, figures(&f).n_timeouts == 2 && figures(&f).n_connections == 0);
    dial_small(&f, 2, GET("/stream"));
    UNTIL(&f, f.n_held == 1);
    for (int i = 0; i < 6; i++) {
        static char bytes[100000];

        http_stream_write(f.held[0], (struct str){ bytes, sizeof(bytes) });
    }
    assert_true(http_stream_unread_bytes(f.held[0]) > 0);
    UNTIL(&f, f.n_gone == 1);
    http_stream_end(f.held[0]);
    UNTIL(&f, figures(&f).n_connections == 0);
    assert_int_equal(figures(&f).n_buffered_bytes, 0);
    stop(&f);
}

static void a_steady_reader_is_not_cut(void **state)
{
    struct http_limits limits = http_default_limits;
    struct fixture f;
    struct client *c;
    int64_t end_us;

    (void)state;
    limits.body_timeout_ms = 2000;
    begin_test(&f, &limits);
    c = dial_small(&f, 0, GET("/long"));
    end_us = clock_mono_us() + 5000000;
    while (clock_mono_us() < end_us) { // about 20 KiB/s
        ssize_t n = recv(c->fd, c->text, 1024, MSG_DONTWAIT);

        assert_true(n != 0 && (n > 0 || errno == EAGAIN));
        for (int i = 0; i < 50; i++) {
            uv_run(&f.loop, UV_RUN_NOWAIT);
            usleep(1000);
        }
    }
    assert_int_equal(figures(&f).n_timeouts, 0);
    assert_true(making.n_made < PIECES);
    read_to(&f, c, "0\r\n\r\n");
    assert_int_equal(making.n_made, PIECES);
    stop(&f);
}

static void an_account_has_its_share_and_others_theirs(void **state)
{
    struct http_limits limits = http_default_limits;
    struct fixture f;

    (void)state;
    limits.max_buffered_bytes = 8 * HTTP_LONG_BYTES;
    limits.max_account_bytes = 2 * HTTP_LONG_BYTES;
    limits.reserve_bytes = HTTP_LONG_BYTES;
    begin_test(&f, &limits);
    dial_small(&f, 0, GET("/org-a"));
    dial_small(&f, 1, GET("/org-a"));
    UNTIL(&f, figures(&f).n_output_bytes >= 2 * HTTP_LONG_BYTES);
    dial(&f, 2, GET("/org-a"));
    UNTIL(&f, has(&f.clients[2], " 503 "));
    dial_small(&f, 3, GET("/org-b"));
    UNTIL(&f, figures(&f).n_output_bytes >= 3 * HTTP_LONG_BYTES);
    leave(&f.clients[0]);
    leave(&f.clients[1]);
    UNTIL(&f, figures(&f).n_output_bytes <= 2 * HTTP_LONG_BYTES);
    dial_small(&f, 0, GET("/org-a"));
    UNTIL(&f, figures(&f).n_output_bytes >= 2 * HTTP_LONG_BYTES);
    stop(&f);
}

static void the_reserve_is_for_those_who_have_it(void **state)
{
    struct http_limits limits = http_default_limits;
    struct fixture f;

    (void)state;
    // Room for four long answers, and a reserve of half a one.
    limits.max_buffered_bytes = 9 * HTTP_LONG_BYTES / 2;
    limits.reserve_bytes = HTTP_LONG_BYTES;
    begin_test(&f, &limits);
    dial_small(&f, 0, GET("/org-a"));
    dial_small(&f, 1, GET("/org-b"));
    dial_small(&f, 2, GET("/org-c"));
    UNTIL(&f, figures(&f).n_output_bytes >= 3 * HTTP_LONG_BYTES);
    dial(&f, 3, GET("/org-d"));
    UNTIL(&f, has(&f.clients[3], " 503 "));
    dial_small(&f, 4, GET("/admin"));
    UNTIL(&f, figures(&f).n_output_bytes >= 4 * HTTP_LONG_BYTES);
    dial(&f, 5, GET("/admin"));
    UNTIL(&f, has(&f.clients[5], " 503 "));
    dial(&f, 6, GET("/vital"));
    UNTIL(&f, has(&f.clients[6], " 200 "));
    stop(&f);
}

static void vital_answers_that_nobody_reads_make_room(void **state)
{
    struct http_limits limits = http_default_limits;
    struct fixture f;

    (void)state;
    limits.max_buffered_bytes = (size_t)8 * 500000;
    begin_test(&f, &limits);
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        dial_small(&f, i, GET("/vital") GET("/vital") GET("/vital"));
        turn_a_while(&f);
    }
    assert_true(figures(&f).n_vital_bytes > 0);
    assert_true(figures(&f).n_vital_bytes <= 500000 + 200000);
    assert_true(figures(&f).n_connections < CLIENTS_MAX);
    stop(&f);
}

static void a_drain_waits_for_readers_a_while_only(void **state)
{
    struct fixture f;
    int64_t end_us = clock_mono_us() + 30000000;

    (void)state;
    begin_test(&f, &http_default_limits);
    dial_small(&f, 0, GET("/long"));
    UNTIL(&f, making.n_made > 0);
    drain(&f);
    turn_a_while(&f);
    assert_false(f.is_drained);
    while (!f.is_drained)
        turn_until(&f, end_us, "the drain");
    assert_int_equal(making.n_done, 1);
    stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            a_long_answer_comes_in_chunks_and_the_next_request_after_it),
        cmocka_unit_test(pieces_wait_for_the_client),
        cmocka_unit_test(a_client_of_http_1_0_gets_the_end_of_the_connection),
        cmocka_unit_test(a_head_makes_no_pieces),
        cmocka_unit_test(an_answer_that_fails_midway_is_cut),
        cmocka_unit_test(pieces_that_are_empty_do_not_end_the_answer),
        cmocka_unit_test(a_client_that_goes_ends_the_making),
        cmocka_unit_test(a_reader_below_the_floor_is_cut),
        cmocka_unit_test(a_steady_reader_is_not_cut),
        cmocka_unit_test(an_account_has_its_share_and_others_theirs),
        cmocka_unit_test(the_reserve_is_for_those_who_have_it),
        cmocka_unit_test(vital_answers_that_nobody_reads_make_room),
        cmocka_unit_test(a_drain_waits_for_readers_a_while_only),
    };

    return cmocka_run_group_tests_name("http_pieces", tests, NULL, NULL);
}
