// SPDX-License-Identifier: MIT
// test_http1_response.c — the reader of responses: where one ends, whether its connection
// may be kept, and what is refused; each response in one piece, byte by byte, and cut in
// two at every place.

#include <string.h>

#include "common/base/buf.h"
#include "engine/sender/http1_response.h"
#include "tests/support/unit.h"

#define OK_HEAD "HTTP/1.1 200 OK\r\n"

struct seen {
    struct buf lines;
    struct buf body;
    bool stops_at_body;
};

static bool on_line(void *data, struct str line)
{
    struct seen *s = data;

    buf_put_str(&s->lines, line);
    return true;
}

static bool on_body(void *data, struct str bytes)
{
    struct seen *s = data;

    buf_put_str(&s->body, bytes);
    return !s->stops_at_body;
}

static const struct http1_handlers handlers = { on_line, on_body };

// Reads the text in pieces of `n_first` bytes and then `n_each`; returns the verdict, and
// in `n_left` how much was left when the response had ended.
static enum http1_verdict read_cut(struct http1_response *r, struct seen *s,
                                   struct str text, size_t n_first,
                                   size_t n_each, size_t *n_left)
{
    enum http1_verdict verdict = HTTP1_MORE;
    size_t n = n_first;

    buf_reset(&s->lines);
    buf_reset(&s->body);
    http1_response_reset(r);
    while (verdict == HTTP1_MORE && text.n_bytes > 0) {
        struct str piece = { text.at, n < text.n_bytes ? n : text.n_bytes };

        text.at += piece.n_bytes;
        text.n_bytes -= piece.n_bytes;
        verdict = http1_response_read(r, &handlers, s, &piece);
        *n_left = piece.n_bytes + text.n_bytes;
        n = n_each;
    }
    return verdict == HTTP1_MORE ? http1_response_end(r) : verdict;
}

struct row {
    const char *text;
    enum http1_verdict verdict;
    int status;
    const char *body;
    bool is_kept;
    size_t n_left;
};

static const struct row rows[] = {
    { OK_HEAD "Content-Length: 2\r\n\r\nok", HTTP1_DONE, 200, "ok", true, 0 },
    { OK_HEAD "Content-Length: 0\r\n\r\n", HTTP1_DONE, 200, "", true, 0 },
    { "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", HTTP1_DONE, 200, "", true,
      0 },
    { "HTTP/1.1 200 OK\nContent-Length: 2\n\nok", HTTP1_DONE, 200, "ok", true,
      0 },
    { OK_HEAD "X: a\r\n b\r\nContent-Length: 2\r\n\r\nok", HTTP1_DONE, 200,
      "ok", true, 0 },
    { OK_HEAD "\r\nto the end", HTTP1_DONE, 200, "to the end", false, 0 },
    { OK_HEAD "connection: x , CLOSE\r\nContent-Length: 0\r\n\r\n", HTTP1_DONE,
      200, "", false, 0 },
    { "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", HTTP1_DONE, 200, "",
      false, 0 },
    { "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n",
      HTTP1_DONE, 200, "", true, 0 },
    { "HTTP/1.1 204 No\r\n\r\nHTTP/1.1 2", HTTP1_DONE, 204, "", true, 10 },
    { "HTTP/1.1 304 No\r\nContent-Length: 9\r\n\r\n", HTTP1_DONE, 304, "", true,
      0 },
    { OK_HEAD "Transfer-Encoding: CHUNKED\r\n\r\n2;x=y\r\nok\r\nA\r\n"
              "0123456789\r\n0\r\nX-Sum: 1\r\n\r\n",
      HTTP1_DONE, 200, "ok0123456789", true, 0 },
    { OK_HEAD "Transfer-Encoding: chunked\r\nContent-Length: 9\r\n\r\n"
              "2\r\nok\r\n0\r\n\r\nrest",
      HTTP1_DONE, 200, "ok", true, 4 },
    { "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\n"
      "HTTP/1.1 201 Made\r\nContent-Length: 1\r\n\r\nx",
      HTTP1_DONE, 201, "x", true, 0 },
    { "", HTTP1_NOTHING, 0, "", false, 0 },
    { "HTTP/1.1 2", HTTP1_NOTHING, 0, "", false, 0 },
    { "HTTP/1.1 101 Upgrade\r\n\r\n", HTTP1_NOTHING, 101, "", true, 0 },
    { OK_HEAD "X: y", HTTP1_CUT, 200, "", true, 0 },
    { OK_HEAD "Content-Length: 3\r\n\r\nok", HTTP1_CUT, 200, "ok", true, 0 },
    { OK_HEAD "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", HTTP1_CUT, 200,
      "ok", true, 0 },
};

static const char *const refused[] = {
    "hello",
    "SSH-2.0-x\r\n",
    "\r\nHTTP/1.1 200 OK\r\n\r\n",
    "HTTP/2 200\r\n\r\n",
    "HTTP/9.9 200 OK\r\n\r\n",
    "HTTP/1.1 099 X\r\n\r\n",
    "HTTP/1.1 20\r\n\r\n",
    "HTTP/1.1 2000 X\r\n\r\n",
    "HTTP/1.1 -20 X\r\n\r\n",
    "HTTP/1.1  200 X\r\n\r\n",
    OK_HEAD "no colon\r\n\r\n",
    OK_HEAD "Content-Length: two\r\n\r\n",
    OK_HEAD "Content-Length: -5\r\n\r\n",
    OK_HEAD "Content-Length: +5\r\n\r\n",
    OK_HEAD "Content-Length: 5, 5\r\n\r\n",
    OK_HEAD "Content-Length:\r\n\r\n",
    OK_HEAD "Content-Length: 9999999999999999999\r\n\r\n",
    OK_HEAD "Transfer-Encoding: gzip, chunked\r\n\r\n",
    OK_HEAD "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    OK_HEAD "Transfer-Encoding: chunked\r\n\r\n\r\n",
    OK_HEAD "Transfer-Encoding: chunked\r\n\r\n-1\r\n",
    OK_HEAD "Transfer-Encoding: chunked\r\n\r\n0000000000000001\r\n",
    OK_HEAD "Transfer-Encoding: chunked\r\n\r\n2\r\nokx\r\n0\r\n\r\n",
};

static void check_row(struct http1_response *r, struct seen *s,
                      const struct row *row, size_t n_first, size_t n_each)
{
    size_t n_left = 0;
    struct str text = str_of(row->text);

    assert_int_equal(read_cut(r, s, text, n_first, n_each, &n_left),
                     row->verdict);
    assert_int_equal(r->status, row->status);
    assert_int_equal(s->body.n_bytes, strlen(row->body));
    if (s->body.n_bytes > 0)
        assert_memory_equal(s->body.at, row->body, s->body.n_bytes);
    if (row->verdict == HTTP1_DONE) {
        assert_int_equal(r->is_kept, row->is_kept);
        assert_int_equal(n_left, row->n_left);
    }
}

static void setup(struct http1_response *r, struct seen *s)
{
    *s = (struct seen){ .stops_at_body = false };
    http1_response_init(r);
    buf_init(&s->lines, 0);
    buf_init(&s->body, 0);
}

static void teardown(struct http1_response *r, struct seen *s)
{
    http1_response_clear(r);
    buf_clear(&s->lines);
    buf_clear(&s->body);
}

static void responses_end_where_they_should_however_they_are_cut(void **state)
{
    struct http1_response r;
    struct seen s;

    (void)state;
    setup(&r, &s);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t n = strlen(rows[i].text);

        check_row(&r, &s, &rows[i], 1, 1);
        for (size_t cut = 1; cut <= n + 1; cut++)
            check_row(&r, &s, &rows[i], cut, n + 1);
    }
    teardown(&r, &s);
}

static void what_can_be_read_in_two_ways_is_refused(void **state)
{
    struct http1_response r;
    struct seen s;
    size_t n_left;

    (void)state;
    setup(&r, &s);
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        struct str text = str_of(refused[i]);

        assert_int_equal(read_cut(&r, &s, text, text.n_bytes, 1, &n_left),
                         HTTP1_FAULT);
        assert_int_equal(read_cut(&r, &s, text, 1, 1, &n_left), HTTP1_FAULT);
    }
    teardown(&r, &s);
}

static void what_is_no_http_is_refused_before_its_line_ends(void **state)
{
    struct http1_response r;
    struct seen s;
    struct str bytes = STR("\x15\x03\x01");

    (void)state;
    setup(&r, &s);
    assert_int_equal(http1_response_read(&r, &handlers, &s, &bytes),
                     HTTP1_FAULT);
    teardown(&r, &s);
}

static void a_line_without_end_is_refused(void **state)
{
    struct http1_response r;
    struct seen s;
    enum http1_verdict verdict = HTTP1_MORE;
    struct str head = STR(OK_HEAD "X: ");
    size_t n = 0;

    (void)state;
    setup(&r, &s);
    assert_int_equal(http1_response_read(&r, &handlers, &s, &head), HTTP1_MORE);
    for (; verdict == HTTP1_MORE && n <= HTTP1_LINE_MAX_BYTES; n++) {
        struct str byte = STR("y");

        verdict = http1_response_read(&r, &handlers, &s, &byte);
    }
    assert_int_equal(verdict, HTTP1_FAULT);
    teardown(&r, &s);
}

static void a_handler_stops_the_reading(void **state)
{
    struct http1_response r;
    struct seen s;
    struct str text = STR(OK_HEAD "Content-Length: 4\r\n\r\nokok");

    (void)state;
    setup(&r, &s);
    s.stops_at_body = true;
    assert_int_equal(http1_response_read(&r, &handlers, &s, &text),
                     HTTP1_STOPPED);
    teardown(&r, &s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(responses_end_where_they_should_however_they_are_cut),
        cmocka_unit_test(what_can_be_read_in_two_ways_is_refused),
        cmocka_unit_test(what_is_no_http_is_refused_before_its_line_ends),
        cmocka_unit_test(a_line_without_end_is_refused),
        cmocka_unit_test(a_handler_stops_the_reading),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
