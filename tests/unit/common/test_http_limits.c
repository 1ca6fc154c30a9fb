// SPDX-License-Identifier: MIT
// test_http_limits.c — the HTTP server's limits to the byte, and that nothing
// depends on how the bytes are cut into packets.

#include "tests/support/http_fixture.h"

#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"
#define CLOSE   "Connection: close\r\n"

static int start_default(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    start_server(&http_default_limits);
    return 0;
}

// A request in three parts, of which the middle one is repeated.
struct size_case {
    const char *name, *before, *piece;
    size_t n;
    const char *after;
    int status;
};

#define LINE_REST " HTTP/1.1\r\n" HOST "\r\n"
#define ONE_CHUNK "1\r\na\r\n"
#define NO_CHUNK  "0\r\n\r\n"

static const struct size_case sizes[] = {
    // "GET /" and " HTTP/1.1" are 14 bytes of the 8192.
    { "line of 8192", "GET /", "a", 8192 - 14, LINE_REST, 200 },
    { "line of 8193", "GET /", "a", 8193 - 14, LINE_REST, 414 },
    { "blanks in the line", "GET ", " ", 9000, "/" LINE_REST, 414 },
    { "a line that never ends", "GET /", "a", 100000, "", 414 },
    { "10,000 parameters", "GET /?a", "&a", 9999, LINE_REST, 414 },
    // "Host: x\r\n", "X: " and "\r\n" are 14 bytes of the 16384.
    { "header of 16384", GET "X: ", "a", 16384 - 14, "\r\n\r\n", 200 },
    { "header of 16385", GET "X: ", "a", 16385 - 14, "\r\n\r\n", 431 },
    { "blanks in a value", GET "X:", " ", 17000, "y\r\n\r\n", 431 },
    { "blanks alone", GET "X:", " ", 17000, "\r\n\r\n", 431 },
    { "a name that never ends", GET, "a", 100000, "", 431 },
    { "64 headers", GET, "X: y\r\n", 63, "\r\n", 200 },
    { "65 headers", GET, "X: y\r\n", 64, "\r\n", 431 },
    { "empty headers", GET, "X:\r\n", 64, "\r\n", 431 },
    { "body of 256 KiB", POST "Content-Length: 262144\r\n\r\n", "a", 262144, "",
      200 },
    { "body of 256 KiB and 1", POST "Content-Length: 262145\r\n\r\n", "", 0, "",
      413 },
    { "chunk of 256 KiB", CHUNKED "40000\r\n", "a", 262144, "\r\n" NO_CHUNK,
      200 },
    { "chunk of 256 KiB and 1", CHUNKED "40001\r\n", "a", 262145, "", 413 },
    { "extension of 1024", CHUNKED "1;", "a", 1024, "\r\na\r\n" NO_CHUNK, 200 },
    { "extension of 1025", CHUNKED "1;", "a", 1025, "\r\na\r\n" NO_CHUNK, 400 },
    // Five bytes around each byte of body, five for the end: 16380 of 16384.
    { "3275 chunks of 1", CHUNKED, ONE_CHUNK, 3275, NO_CHUNK, 200 },
    { "3276 chunks of 1", CHUNKED, ONE_CHUNK, 3276, NO_CHUNK, 400 },
    { "100000 chunks of 1", CHUNKED, ONE_CHUNK, 100000, NO_CHUNK, 400 },
    { "zeros before a size", CHUNKED, "0", 20000, "1\r\na\r\n" NO_CHUNK, 400 },
    { "zeros that never end", CHUNKED, "0", 100000, "", 400 },
    // The framing is less than twice as long as the body; over four times is refused.
    { "20000 chunks of 3", CHUNKED, "3\r\nabc\r\n", 20000, NO_CHUNK, 200 },
};

static void put_case(const struct size_case *c, struct buf *b)
{
    buf_reset(b);
    buf_puts(b, c->before);
    for (size_t i = 0; i < c->n; i++)
        buf_puts(b, c->piece);
    buf_puts(b, c->after);
}

// Sends pieces of `cut_bytes`, with pauses between the first few.
static int ask_in_pieces(const struct buf *b, size_t cut_bytes, char *text)
{
    int fd = dial();
    int one = 1;
    size_t n_apart = 0;

    setsockopt(fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &one, sizeof(one));
    text[0] = '\0';
    for (size_t at = 0; at < b->n_bytes; at += cut_bytes) {
        size_t rest = b->n_bytes - at;

        send_all(fd, b->at + at, rest < cut_bytes ? rest : cut_bytes);
        if (n_apart++ < 40)
            usleep(500);
    }
    read_answers(fd, text, false);
    close(fd);
    return status_of(text);
}

static void limits_hold_to_the_byte(void **state)
{
    char *text = xmalloc(ANSWER_MAX_BYTES);
    struct buf b;

    (void)state;
    buf_init(&b, 0);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        bool closed;
        int status;

        put_case(&sizes[i], &b);
        status = ask(b.at, b.n_bytes, &closed, text);
        if (status != sizes[i].status || closed != (status != 200)) {
            fail_msg("%s: %d%s instead of %d", sizes[i].name, status,
                     closed ? " closed" : "", sizes[i].status);
        }
    }
    buf_clear(&b);
    free(text);
}

static void ask_with_cuts(const struct size_case *c, const struct buf *b,
                          char *text)
{
    static const size_t cuts[] = { 997, 8192, 40000 };

    for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
        int status = ask_in_pieces(b, cuts[i], text);

        if (status != c->status) {
            fail_msg("%s in pieces of %zu: %d instead of %d", c->name, cuts[i],
                     status, c->status);
        }
    }
}

static void limits_hold_however_the_bytes_come(void **state)
{
    char *text = xmalloc(ANSWER_MAX_BYTES);
    struct buf b;

    (void)state;
    buf_init(&b, 0);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        put_case(&sizes[i], &b);
        ask_with_cuts(&sizes[i], &b, text);
    }
    buf_clear(&b);
    free(text);
}

// --- cut everywhere ---

struct cut_case {
    const char *bytes;
    int status;
    const char *text; // somewhere in the answer
};

static const struct cut_case cut_cases[] = {
    { "POST /a?b HTTP/1.1\r\n" HOST CLOSE "Content-Length: 3\r\n\r\nabc", 200,
      "POST /a 3" },
    { "\r\n\r\n" POST CLOSE "Transfer-Encoding: chunked \r\n\r\n"
      "1;x=y\r\na\r\n02\r\nbc\r\n0\r\n\r\n",
      200, "POST / 3" },
    { GET "X:\r\nY: \r\n" CLOSE "\r\n", 200, "GET / 0" },
    { "HEAD /a HTTP/1.1\r\n" HOST CLOSE "\r\n", 200, "Content-Length: 9" },
    { "GET / HTTP/1.1\r\n\r\n", 400, "Host" },
    { "GET / HTTP/2.0\r\n" HOST "\r\n", 505, "HTTP/1.1" },
    { "GET /a#b HTTP/1.1\r\n" HOST "\r\n", 400, "fragment" },
    { POST "Transfer-Encoding: gzip, chunked\r\n\r\n", 501, "chunked" },
    { POST "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", 400,
      "Bad Request" },
    { CHUNKED "1\r\na\r\n0\r\nX: y\r\n\r\n", 400, "trailers" },
    { CHUNKED "1\r\na\n0\r\n\r\n", 400, "Bad Request" },
    { "CONNECT x:443 HTTP/1.1\r\n" HOST "\r\n", 405, "Allow: " },
};

static void answers_do_not_depend_on_packets(void **state)
{
    char *text = xmalloc(ANSWER_MAX_BYTES);

    (void)state;
    for (size_t i = 0; i < sizeof(cut_cases) / sizeof(cut_cases[0]); i++) {
        const struct cut_case *c = &cut_cases[i];
        size_t n_bytes = strlen(c->bytes);

        for (size_t cut = 1; cut <= n_bytes; cut++) {
            int fd = dial();

            text[0] = '\0';
            send_all(fd, c->bytes, cut);
            usleep(300);
            send_all(fd, c->bytes + cut, n_bytes - cut);
            if (!read_end(fd, text) || status_of(text) != c->status ||
                strstr(text, c->text) == NULL)
                fail_msg("case %zu cut at %zu: %.300s", i, cut, text);
            close(fd);
        }
    }
    free(text);
}

// --- other requests that are refused or accepted ---

struct odd_case {
    const char *name, *bytes;
    int status;
    bool closed;
};

static const struct odd_case odd[] = {
    { "te twice",
      POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
      400, true },
    { "te chunked, identity",
      POST "Transfer-Encoding: chunked, identity\r\n\r\n", 400, true },
    { "two lengths that differ",
      POST "Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400, true },
    { "lf in an extension", CHUNKED "1;a\nb\r\na\r\n" NO_CHUNK, 400, true },
    { "cr cr lf", "GET / HTTP/1.1\r\r\n" HOST "\r\n", 400, true },
    { "lone cr at the end", GET "\rX", 400, true },
    { "length in a trailer", CHUNKED "0\r\nContent-Length: 1\r\n\r\n", 400,
      true },
    { "absolute form of https", "GET https://x/ HTTP/1.1\r\n" HOST "\r\n", 400,
      true },
    { "a star for another method", "GET * HTTP/1.1\r\n" HOST "\r\n", 400,
      true },
    { "two tokens of the other kind",
      GET "X-Access-Token: a\r\nx-access-token: b\r\n\r\n", 400, true },
    // The bytes after the first request are not parsed: there is one answer.
    { "bytes after the last request", GET CLOSE "\r\n" GET "\r\n", 200, true },
    { "no body", POST "Content-Length: 0\r\n\r\n", 200, false },
    { "dots", "GET /../%2e%2e//%00 HTTP/1.1\r\n" HOST "\r\n", 200, false },
    { "head", "HEAD / HTTP/1.1\r\n" HOST "\r\n", 200, false },
    { "head refused early", "HEAD /early HTTP/1.1\r\n" HOST "\r\n", 401,
      false },
    { "an expectation of 1.0",
      "POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\na",
      200, true },
};

static void odd_requests_have_their_exact_answers(void **state)
{
    char *text = xmalloc(ANSWER_MAX_BYTES);

    (void)state;
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        bool closed;
        const char *first;
        int status = ask(odd[i].bytes, strlen(odd[i].bytes), &closed, text);

        if (status != odd[i].status || closed != odd[i].closed) {
            fail_msg("%s: %d%s instead of %d%s: %.200s", odd[i].name, status,
                     closed ? " closed" : "", odd[i].status,
                     odd[i].closed ? " closed" : "", text);
        }
        first = strstr(text, "Content-Length: ");
        if (first == NULL || strstr(first + 1, "Content-Length: ") != NULL)
            fail_msg("%s: not one answer: %.300s", odd[i].name, text);
    }
    free(text);
}

static void a_head_has_no_body(void **state)
{
    static const char bytes[] = "HEAD /early HTTP/1.1\r\n" HOST "\r\n";
    char *text = xmalloc(ANSWER_MAX_BYTES);
    const char *end;
    bool closed;

    (void)state;
    ask(bytes, sizeof(bytes) - 1, &closed, text);
    end = strstr(text, "\r\n\r\n");
    assert_non_null(end);
    assert_string_equal(end, "\r\n\r\n");
    assert_null(strstr(text, "Content-Length: 0"));
    free(text);
}

// An answer to a large body that is not wanted is read before the end comes,
// though the client goes on sending.
static void the_answer_is_read_before_the_end(void **state)
{
    static const char head[] = POST "Content-Length: 262145\r\n\r\n";
    char *body = xcalloc(1, 60000);
    char *text = xmalloc(ANSWER_MAX_BYTES);
    int fd = dial();

    (void)state;
    text[0] = '\0';
    send_all(fd, head, sizeof(head) - 1);
    usleep(20000);
    send_all(fd, body, 60000);
    assert_true(read_end(fd, text));
    assert_int_equal(status_of(text), 413);
    assert_non_null(strstr(text, "Connection: close"));
    close(fd);
    free(body);
    free(text);
}

#define DEFAULT(name) \
    cmocka_unit_test_setup_teardown(name, start_default, stop_server)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DEFAULT(limits_hold_to_the_byte),
        DEFAULT(limits_hold_however_the_bytes_come),
        DEFAULT(answers_do_not_depend_on_packets),
        DEFAULT(odd_requests_have_their_exact_answers),
        DEFAULT(a_head_has_no_body),
        DEFAULT(the_answer_is_read_before_the_end),
    };

    return cmocka_run_group_tests_name("http_limits", tests, NULL, NULL);
}
