// SPDX-License-Identifier: MIT
// fuzz_http1_response.c — the reader of a receiver's response: bytes in pieces give the same
// lines, the same body and the same end as the same bytes at once.
//
// Input: four bytes that say where to cut, then what a receiver sends.

#include <string.h>

#include "engine/sender/http1_response.h"
#include "tests/fuzz/fuzz.h"

struct seen {
    struct buf lines;
    struct buf body;
    enum http1_verdict verdict;
    size_t n_left;
    bool is_kept;
    int status;
};

static bool on_line(void *data, struct str line)
{
    struct seen *s = data;

    CHECK(line.n_bytes > 0 && line.at[line.n_bytes - 1] == '\n');
    buf_put_str(&s->lines, line);
    return true;
}

static bool on_body(void *data, struct str bytes)
{
    struct seen *s = data;

    buf_put_str(&s->body, bytes);
    return true;
}

// `cuts`: a bit for each of the first 32 places; later pieces have 7 bytes.
static void read_all(struct str text, uint32_t cuts, bool is_cut,
                     struct seen *s)
{
    static const struct http1_handlers handlers = { on_line, on_body };
    struct http1_response r;
    size_t at = 0;

    http1_response_init(&r);
    buf_init(&s->lines, 0);
    buf_init(&s->body, 0);
    s->verdict = HTTP1_MORE;
    while (s->verdict == HTTP1_MORE && at < text.n_bytes) {
        size_t n = is_cut ? 1 : text.n_bytes;
        struct str piece;

        while (is_cut && at + n < 32 && (cuts >> (at + n) & 1) == 0)
            n++;
        if (is_cut && at >= 32)
            n = 7;
        if (n > text.n_bytes - at)
            n = text.n_bytes - at;
        piece = (struct str){ text.at + at, n };
        at += n;
        s->verdict = http1_response_read(&r, &handlers, s, &piece);
        s->n_left = piece.n_bytes + text.n_bytes - at;
    }
    if (s->verdict == HTTP1_MORE)
        s->verdict = http1_response_end(&r);
    CHECK(s->verdict != HTTP1_STOPPED && s->verdict != HTTP1_MORE);
    CHECK(r.n_body_bytes == (int64_t)s->body.n_bytes);
    s->is_kept = r.is_kept;
    s->status = r.status;
    http1_response_clear(&r);
}

static bool is_same(const struct buf *a, const struct buf *b)
{
    return str_eq(buf_str(a), buf_str(b));
}

void fuzz_one(struct str input)
{
    uint32_t cuts = take_u32(&input);
    struct seen whole, cut;

    read_all(input, 0, false, &whole);
    read_all(input, cuts, true, &cut);
    CHECK(whole.verdict == cut.verdict);
    if (whole.verdict == HTTP1_DONE) {
        CHECK(whole.status >= 200 && whole.status <= 999);
        CHECK(whole.n_left == cut.n_left && whole.is_kept == cut.is_kept);
    }
    if (whole.verdict != HTTP1_FAULT) {
        CHECK(is_same(&whole.lines, &cut.lines));
        CHECK(is_same(&whole.body, &cut.body));
    }
    buf_clear(&whole.lines);
    buf_clear(&whole.body);
    buf_clear(&cut.lines);
    buf_clear(&cut.body);
}

bool fuzz_seed(size_t i, struct buf *out)
{
    static const char *const texts[] = {
        "1234HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        ("1234HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a\r\nok"
         "\r\n0\r\nX: y\r\n\r\n"),
        "1234HTTP/1.0 500 X\r\nConnection: keep-alive\r\nX: a\r\n b\r\n\r\nend",
        "1234HTTP/1.1 103 Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 204 No\r\n\r\n",
        "1234HTTP/1.1 200 OK\nconnection: close\ncontent-length: 1\n\nx",
    };

    return seed_text(texts, sizeof(texts) / sizeof(texts[0]), i, out);
}
