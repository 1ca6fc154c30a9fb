// SPDX-License-Identifier: MIT
// test_http.c — the HTTP server over real sockets: what is answered, what is
// refused, when a connection ends.

#include "tests/support/http_fixture.h"

// --- tables ---

#define HOST "Host: x\r\n"
#define GET  "GET / HTTP/1.1\r\n" HOST
#define POST "POST / HTTP/1.1\r\n" HOST

struct http_case {
    const char *name, *bytes;
    int status;
    bool closed;
};

static const struct http_case cases[] = {
    { "get", GET "\r\n", 200, false },
    { "post", POST "Content-Length: 2\r\n\r\nab", 200, false },
    { "chunked", POST "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
      200, false },
    { "close is obeyed", GET "Connection: close\r\n\r\n", 200, true },
    { "http/1.0", "GET / HTTP/1.0\r\n\r\n", 200, true },
    { "http/1.0 kept", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 200,
      false },
    { "star", "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", 200, false },
    { "chunk extension",
      POST "Transfer-Encoding: chunked\r\n\r\n2;a=b\r\nab\r\n0\r\n\r\n", 200,
      false },
    { "upgrade is not taken", GET "Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
      200, false },
    { "early answer without a body", "GET /early HTTP/1.1\r\n" HOST "\r\n", 401,
      false },
    { "early answer before a body",
      "POST /early HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nabcde", 401,
      true },
    { "no host", "GET / HTTP/1.1\r\n\r\n", 400, true },
    { "two hosts", GET HOST "\r\n", 400, true },
    { "te gzip", POST "Transfer-Encoding: gzip, chunked\r\n\r\n", 501, true },
    { "te in 1.0",
      "POST / HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n", 400,
      true },
    { "http/2.0", "POST /e HTTP/2.0\r\n" HOST "\r\n", 505, true },
    { "h2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, true },
    { "absolute form", "GET http://x/ HTTP/1.1\r\n" HOST "\r\n", 400, true },
    { "connect", "CONNECT x:443 HTTP/1.1\r\n" HOST "\r\n", 405, true },
    { "unknown expectation", POST "Content-Length: 1\r\nExpect: x\r\n\r\n", 417,
      true },
    { "over the limit", POST "Content-Length: 1001\r\n\r\n", 413, true },
    { "trailers",
      POST "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX: y\r\n\r\n", 400,
      true },
    { "two tokens", GET "Authorization: a\r\nAuthorization: b\r\n\r\n", 400,
      true },
    { "two content types", POST "Content-Type: a\r\nContent-Type: b\r\n\r\n",
      400, true },
    // Requests that llhttp itself refuses.
    { "cl and te",
      POST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400,
      true },
    { "te and cl",
      POST "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", 400,
      true },
    { "two lengths", POST "Content-Length: 1\r\nContent-Length: 1\r\n\r\n", 400,
      true },
    { "length list", POST "Content-Length: 2,2\r\n\r\n", 400, true },
    { "length +2", POST "Content-Length: +2\r\n\r\n", 400, true },
    { "length -1", POST "Content-Length: -1\r\n\r\n", 400, true },
    { "length 0x2", POST "Content-Length: 0x2\r\n\r\n", 400, true },
    { "length 1_0", POST "Content-Length: 1_0\r\n\r\n", 400, true },
    { "length overflow", POST "Content-Length: 99999999999999999999\r\n\r\n",
      400, true },
    { "length empty", POST "Content-Length: \r\n\r\n", 400, true },
    { "blank before colon", "GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400, true },
    { "te xchunked", POST "Transfer-Encoding: xchunked\r\n\r\n", 501, true },
    { "te identity", POST "Transfer-Encoding: identity\r\n\r\n", 501, true },
    { "chunk 0x2", POST "Transfer-Encoding: chunked\r\n\r\n0x2\r\nab\r\n", 400,
      true },
    { "chunk overflow",
      POST "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", 400,
      true },
    { "chunk bare lf", POST "Transfer-Encoding: chunked\r\n\r\n2\nab\r\n", 400,
      true },
    { "no crlf after chunk",
      POST "Transfer-Encoding: chunked\r\n\r\n2\r\nabX0\r\n\r\n", 400, true },
    { "bare lf", "GET / HTTP/1.1\nHost: x\n\n", 400, true },
    { "bare cr", GET "X: a\rb\r\n\r\n", 400, true },
    { "obs-fold", GET "X: a\r\n b\r\n\r\n", 400, true },
    { "blank first", "GET / HTTP/1.1\r\n Host: x\r\n\r\n", 400, true },
    { "empty name", GET ": x\r\n\r\n", 400, true },
    { "no colon", GET "abc\r\n\r\n", 400, true },
    { "http/1.32", "GET / HTTP/1.32\r\n" HOST "\r\n", 400, true },
    { "lower case", "get / HTTP/1.1\r\n" HOST "\r\n", 400, true },
    { "unknown method", "BREW / HTTP/1.1\r\n" HOST "\r\n", 400, true },
    { "space in target", "GET /a b HTTP/1.1\r\n" HOST "\r\n", 400, true },
    { "control in target", "GET /\x01 HTTP/1.1\r\n" HOST "\r\n", 400, true },
    { "8 bit in target", "GET /\xc3\xa4 HTTP/1.1\r\n" HOST "\r\n", 400, true },
    { "tls hello", "\x16\x03\x01\x02\x05\x01", 400, true },
};

static void every_case_has_its_exact_answer(void **state)
{
    char *text = xmalloc(ANSWER_MAX_BYTES);

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct http_case *c = &cases[i];
        bool closed;
        int status = ask(c->bytes, strlen(c->bytes), &closed, text);

        if (status != c->status || closed != c->closed) {
            fail_msg("%s: %d%s instead of %d%s: %.200s", c->name, status,
                     closed ? " closed" : "", c->status,
                     c->closed ? " closed" : "", text);
        }
        if (status >= 400 && strstr(text, "\"code\":") == NULL)
            fail_msg("%s: no error body: %.200s", c->name, text);
    }
    free(text);
}

static void nul_bytes_in_a_header_are_refused(void **state)
{
    static const char in_value[] = GET "X: a\0b\r\n\r\n";
    static const char in_name[] = GET "X\0: a\r\n\r\n";
    char *text = xmalloc(ANSWER_MAX_BYTES);
    bool closed;

    (void)state;
    assert_int_equal(ask(in_value, sizeof(in_value) - 1, &closed, text), 400);
    assert_int_equal(ask(in_name, sizeof(in_name) - 1, &closed, text), 400);
    free(text);
}

// The same answer however the bytes are cut into packets.
static void requests_may_come_in_pieces(void **state)
{
    static const char bytes[] =
        POST "Transfer-Encoding: chunked\r\nX: y\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    char *text = xmalloc(ANSWER_MAX_BYTES);

    (void)state;
    for (size_t cut = 1; cut < sizeof(bytes) - 1; cut++) {
        int fd = dial();
        int one = 1;

        setsockopt(fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &one, sizeof(one));
        text[0] = '\0';
        send_all(fd, bytes, cut);
        usleep(500);
        send_all(fd, bytes + cut, sizeof(bytes) - 1 - cut);
        if (!read_to(fd, text, "POST / 3") || status_of(text) != 200)
            fail_msg("cut at %zu: %.200s", cut, text);
        close(fd);
    }
    free(text);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    static const char bytes[] =
        "GET /later HTTP/1.1\r\n" HOST "\r\n"
        "GET /1 HTTP/1.1\r\n" HOST "\r\n"
        "POST /2 HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc"
        "GET /later HTTP/1.1\r\n" HOST "\r\n"
        "GET /3 HTTP/1.1\r\n" HOST "\r\n";
    static const char *const wanted[] = { "GET /later 0", "GET /1 0",
                                          "POST /2 3", "GET /later 0",
                                          "GET /3 0" };
    char *text = xmalloc(ANSWER_MAX_BYTES);
    const char *at = text;
    int fd = dial();

    (void)state;
    text[0] = '\0';
    send_all(fd, bytes, sizeof(bytes) - 1);
    read_to(fd, text, "GET /3 0");
    for (size_t i = 0; i < 5; i++) {
        at = strstr(at, wanted[i]);
        if (at == NULL) {
            fail_msg("answer %zu is missing: %s", i, text);
            break;
        }
        at++;
    }
    close(fd);
    free(text);
}

static void a_thousand_pipelined_requests_do_not_pile_up(void **state)
{
    struct buf bytes;
    char *text = xmalloc(ANSWER_MAX_BYTES);
    int fd = dial();
    size_t n = 0;

    (void)state;
    buf_init(&bytes, 0);
    for (int i = 0; i < 1000; i++)
        buf_puts(&bytes, GET "\r\n");
    buf_puts(&bytes, "GET /last HTTP/1.1\r\n" HOST "\r\n");
    text[0] = '\0';
    send_all(fd, bytes.at, bytes.n_bytes);
    assert_true(read_to(fd, text, "GET /last 0"));
    for (const char *at = text; (at = strstr(at, "HTTP/1.1 200")) != NULL; at++)
        n++;
    assert_int_equal(n, 1001);
    close(fd);
    buf_clear(&bytes);
    free(text);
}

static void the_body_is_asked_for_with_100_continue(void **state)
{
    char *text = xmalloc(ANSWER_MAX_BYTES);
    int fd = dial();

    (void)state;
    text[0] = '\0';
    send_all(fd, POST "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n",
             strlen(POST "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n"));
    assert_true(read_to(fd, text, "\r\n\r\n"));
    assert_string_equal(text, "HTTP/1.1 100 Continue\r\n\r\n");
    assert_true(is_quiet(fd, 50));
    text[0] = '\0';
    send_all(fd, "ab", 2);
    assert_true(read_to(fd, text, "POST / 2"));
    assert_int_equal(status_of(text), 200);
    close(fd);
    fd = dial();
    text[0] = '\0';
    send_all(
        fd, POST "Content-Length: 2000\r\nExpect: 100-continue\r\n\r\n",
        strlen(POST "Content-Length: 2000\r\nExpect: 100-continue\r\n\r\n"));
    assert_true(read_end(fd, text));
    assert_int_equal(status_of(text), 413); // and no 100 before it
    close(fd);
    free(text);
}

static void put_many(struct buf *b, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf_puts(b, text);
}

static int ask_buf(struct buf *b, char *text)
{
    bool closed;
    int status = ask(b->at, b->n_bytes, &closed, text);

    buf_clear(b);
    return status;
}

static void sizes_are_limited(void **state)
{
    char *text = xmalloc(ANSWER_MAX_BYTES);
    struct buf b;

    (void)state;
    buf_init(&b, 0);
    buf_puts(&b, "GET /");
    put_many(&b, "a", 8192);
    buf_puts(&b, " HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(ask_buf(&b, text), 414);
    buf_puts(&b, "GET /");
    put_many(&b, "a", 8000);
    buf_puts(&b, " HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(ask_buf(&b, text), 200);
    buf_puts(&b, GET "X: ");
    put_many(&b, "a", 16384);
    buf_puts(&b, "\r\n\r\n");
    assert_int_equal(ask_buf(&b, text), 431);
    buf_puts(&b, GET);
    put_many(&b, "X: y\r\n", 64);
    buf_puts(&b, "\r\n");
    assert_int_equal(ask_buf(&b, text), 431);
    buf_puts(&b, GET);
    put_many(&b, "X: y\r\n", 63);
    buf_puts(&b, "\r\n");
    assert_int_equal(ask_buf(&b, text), 200);
    buf_puts(&b, POST "Transfer-Encoding: chunked\r\n\r\n3e9\r\n");
    put_many(&b, "a", 1001);
    buf_puts(&b, "\r\n0\r\n\r\n");
    assert_int_equal(ask_buf(&b, text), 413);
    buf_puts(&b, POST "Transfer-Encoding: chunked\r\n\r\n1;");
    put_many(&b, "a", 1100);
    buf_puts(&b, "\r\nx\r\n0\r\n\r\n");
    assert_int_equal(ask_buf(&b, text), 400);
    free(text);
}

static void a_client_that_closed_its_side_gets_its_answer(void **state)
{
    char *text = xmalloc(ANSWER_MAX_BYTES);
    int fd = dial();

    (void)state;
    text[0] = '\0';
    send_all(fd, "GET /later HTTP/1.1\r\n" HOST "\r\n",
             strlen("GET /later HTTP/1.1\r\n" HOST "\r\n"));
    shutdown(fd, SHUT_WR);
    assert_true(read_end(fd, text));
    assert_int_equal(status_of(text), 200);
    close(fd);
    free(text);
}

// Clients disconnect in the middle of a request; the teardown checks that the server
// still runs, and the sanitizers that it did nothing wrong.
static void clients_that_vanish_do_no_harm(void **state)
{
    static const char *const pieces[] = {
        "",
        "GE",
        GET,
        POST "Content-Length: 100\r\n\r\nabc",
        "GET /later HTTP/1.1\r\n" HOST "\r\n",
        "GET /later HTTP/1.1\r\n" HOST "\r\nGET / HTTP/1.1\r\n" HOST "\r\n",
    };
    char *text = xmalloc(ANSWER_MAX_BYTES);
    bool closed;

    (void)state;
    for (int round = 0; round < 20; round++) {
        for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
            struct linger now = { .l_onoff = round % 2 };
            int fd = dial();

            send_all(fd, pieces[i], strlen(pieces[i]));
            if (round % 3 == 0)
                usleep(1000);
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
            close(fd);
        }
    }
    assert_int_equal(ask(GET "\r\n", strlen(GET "\r\n"), &closed, text), 200);
    free(text);
}

// --- clocks and caps ---

static void slow_clients_are_ended(void **state)
{
    char *text = xmalloc(ANSWER_MAX_BYTES);
    int64_t before_us = clock_mono_us();
    int idle = dial();
    int header = dial();
    int body = dial();

    (void)state;
    send_all(header, "GET / HT", 8);
    send_all(body, POST "Content-Length: 100\r\n\r\na",
             strlen(POST "Content-Length: 100\r\n\r\na"));
    text[0] = '\0';
    assert_true(read_end(header, text));
    assert_int_equal(status_of(text), 408);
    assert_true(clock_mono_us() - before_us >= 500000);
    text[0] = '\0';
    assert_true(read_end(body, text));
    assert_int_equal(status_of(text), 408);
    text[0] = '\0';
    assert_true(read_end(idle, text));
    assert_string_equal(text, "");
    close(idle);
    close(header);
    close(body);
    free(text);
}

static void whoever_waits_longest_makes_room(void **state)
{
    static const char hold[] = "GET /hold HTTP/1.1\r\n" HOST "\r\n";
    char *text = xmalloc(ANSWER_MAX_BYTES);
    int fds[4];
    bool closed;

    (void)state;
    fds[0] = dial();
    send_all(fds[0], hold, sizeof(hold) - 1);
    for (size_t i = 1; i < 4; i++) {
        fds[i] = dial();
        text[0] = '\0';
        send_all(fds[i], GET "\r\n", strlen(GET "\r\n"));
        assert_true(read_to(fds[i], text, "GET / 0"));
        usleep(5000); // the server counts milliseconds
    }
    // A fifth client: the second one has waited longest and is closed; the first one
    // has a request in progress.
    assert_int_equal(ask(GET "\r\n", strlen(GET "\r\n"), &closed, text), 200);
    text[0] = '\0';
    assert_true(read_end(fds[1], text));
    assert_true(is_quiet(fds[2], 0));
    assert_true(is_quiet(fds[3], 0));
    assert_true(read_to(fds[0], text, "GET /hold 0"));
    for (size_t i = 0; i < 4; i++)
        close(fds[i]);
    free(text);
}

static void a_connection_ends_after_its_last_request(void **state)
{
    char *text = xmalloc(ANSWER_MAX_BYTES);
    bool closed;

    (void)state;
    ask(GET "\r\n" GET "\r\n" GET "\r\n" GET "\r\n",
        strlen(GET "\r\n" GET "\r\n" GET "\r\n" GET "\r\n"), &closed, text);
    assert_true(closed);
    assert_non_null(strstr(text, "Connection: close"));
    free(text);
}

// --- helpers of handlers ---

static void queries_and_paths_are_decoded(void **state)
{
    struct http_request r = { .query = STR("a=1&bc=x%20y+z&a=2&d&e=%zz") };
    struct buf out;

    (void)state;
    buf_init(&out, 0);
    assert_int_equal(http_query(&r, "a", &out), OK);
    assert_string_equal(buf_cstr(&out), "1");
    buf_reset(&out);
    assert_int_equal(http_query(&r, "bc", &out), OK);
    assert_string_equal(buf_cstr(&out), "x y z");
    buf_reset(&out);
    assert_int_equal(http_query(&r, "d", &out), OK);
    assert_int_equal(out.n_bytes, 0);
    assert_int_equal(http_query(&r, "e", &out), ERR_INVALID);
    assert_int_equal(http_query(&r, "b", &out), ERR_NOTFOUND);
    assert_int_equal(http_decode(STR("a%2Fb"), &out), OK);
    assert_string_equal(buf_cstr(&out), "a/b");
    assert_int_equal(http_decode(STR("%00"), &out), ERR_INVALID);
    assert_int_equal(http_decode(STR("%1"), &out), ERR_INVALID);
    buf_clear(&out);
}

#define NORMAL(name) \
    cmocka_unit_test_setup_teardown(name, start_normal, stop_server)
#define TIGHT(name) \
    cmocka_unit_test_setup_teardown(name, start_tight, stop_server)

int main(void)
{
    const struct CMUnitTest tests[] = {
        NORMAL(every_case_has_its_exact_answer),
        NORMAL(nul_bytes_in_a_header_are_refused),
        NORMAL(requests_may_come_in_pieces),
        NORMAL(pipelined_requests_are_answered_in_order),
        NORMAL(a_thousand_pipelined_requests_do_not_pile_up),
        NORMAL(the_body_is_asked_for_with_100_continue),
        NORMAL(sizes_are_limited),
        NORMAL(a_client_that_closed_its_side_gets_its_answer),
        NORMAL(clients_that_vanish_do_no_harm),
        TIGHT(slow_clients_are_ended),
        cmocka_unit_test_setup_teardown(whoever_waits_longest_makes_room,
                                        start_narrow, stop_server),
        TIGHT(a_connection_ends_after_its_last_request),
        cmocka_unit_test(queries_and_paths_are_decoded),
    };

    return cmocka_run_group_tests_name("http", tests, NULL, NULL);
}
