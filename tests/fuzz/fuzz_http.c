// SPDX-License-Identifier: MIT
// fuzz_http.c — the HTTP server: bytes in random pieces get the same answer, to the byte, as
// the same bytes in one piece, and nothing is left behind.
//
// Input: a byte of choices, four bytes that say where to cut, then what a client sends.

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include "common/http/private.h"
#include "tests/fuzz/fuzz.h"

#define BODY_MAX_BYTES 600
#define HELD_MAX       64

enum { CUTS = 1, ENDS = 2, LATER = 4 };

static uv_loop_t loop;
static struct http_server *server;
static struct sockaddr_un address = { .sun_family = AF_UNIX };
static socklen_t n_address;

// The requests that the handlers got, in order.
static struct buf seen;
static bool is_later;
static struct http_request *held[HELD_MAX];
static size_t n_held;

// --- the server ---

static void note(struct http_request *r)
{
    struct str name, value;
    struct buf decoded;

    buf_printf(&seen, "%d %.*s %.*s?%.*s [%.*s]\n", (int)r->method,
               STR_ARG(r->method_name), STR_ARG(r->path), STR_ARG(r->query),
               STR_ARG(r->body));
    CHECK(r->body.n_bytes <= BODY_MAX_BYTES);
    for (size_t i = 0; http_header_at(r, i, &name, &value); i++) {
        CHECK(name.n_bytes > 0);
        CHECK(value.n_bytes == 0 ||
              (value.at[0] != ' ' && value.at[value.n_bytes - 1] != ' '));
        buf_printf(&seen, "%.*s: %.*s\n", STR_ARG(name), STR_ARG(value));
    }
    buf_init(&decoded, 0);
    (void)!http_query(r, "q", &decoded);
    (void)http_is_type(r, "application/json");
    buf_clear(&decoded);
}

static void on_gone(struct http_request *r)
{
    http_stream_end(r);
}

static void stream(struct http_request *r)
{
    http_stream_begin(r, STR("text/event-stream"), on_gone);
    http_stream_write(r, STR("data: "));
    http_stream_write(r, r->path);
    if (!str_starts(r->path, STR("/stream/on")))
        http_stream_end(r); // else the client ends it
}

static void answer(struct http_request *r)
{
    struct http_response response = { .status = 200,
                                      .content_type = STR("text/plain"),
                                      .body = r->path };

    http_respond(r, &response);
}

static void on_request(void *data, struct http_request *r)
{
    (void)data;
    note(r);
    if (str_starts(r->path, STR("/stream"))) {
        stream(r);
    } else if (is_later && n_held < HELD_MAX) {
        held[n_held++] = r;
    } else {
        answer(r);
    }
}

static void on_headers(void *data, struct http_request *r)
{
    (void)data;
    if (str_starts(r->path, STR("/early")))
        http_fail(r, 401, STR_EMPTY, "no");
    if (str_starts(r->path, STR("/small")))
        r->body_limit_bytes = 10;
}

static void start(void)
{
    static const struct http_handlers handlers = { .on_headers = on_headers,
                                                   .on_request = on_request };
    struct http_limits limits = http_default_limits;
    int fd;

    if (server != NULL)
        return;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    // An abstract address, which the kernel chooses and which is not a file.
    n_address = sizeof(address);
    CHECK(bind(fd, (struct sockaddr *)&address, sizeof(sa_family_t)) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&address, &n_address) == 0);
    limits.max_body_bytes = BODY_MAX_BYTES;
    buf_init(&seen, 0);
    uv_loop_init(&loop);
    CHECK(http_server_start(&loop, fd, &limits, &handlers, &server) == OK);
}

static void turn(void)
{
    uv_run(&loop, UV_RUN_NOWAIT);
    while (n_held > 0) { // answered a turn later
        struct http_request *r = held[0];

        n_held--;
        for (size_t i = 0; i < n_held; i++)
            held[i] = held[i + 1];
        answer(r);
    }
}

// --- the client ---

// Appends what is there. False: the server has closed.
static bool read_some(int fd, struct buf *out)
{
    char piece[4096];
    ssize_t n;

    while ((n = recv(fd, piece, sizeof(piece), MSG_DONTWAIT)) > 0)
        buf_put(out, piece, (size_t)n);
    return n < 0 && errno == EAGAIN;
}

static void outcome_settle(int fd, struct buf *out)
{
    size_t n_before;

    do {
        n_before = out->n_bytes;
        for (int i = 0; i < 4; i++)
            turn();
    } while (read_some(fd, out) && out->n_bytes > n_before);
}

static void converse(struct str bytes, uint8_t choices, uint32_t cuts,
                     struct buf *out)
{
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    CHECK(connect(fd, (struct sockaddr *)&address, n_address) == 0);
    while (bytes.n_bytes > 0) {
        size_t n = bytes.n_bytes;

        if ((choices & CUTS) != 0) {
            cuts = cuts * 1664525 + 1013904223;
            n = 1 + (cuts >> 24) % ((cuts >> 16 & 3) == 0 ? 200 : 12);
            n = n < bytes.n_bytes ? n : bytes.n_bytes;
        }
        if (send(fd, bytes.at, n, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)n)
            break; // it is closed
        bytes.at += n;
        bytes.n_bytes -= n;
        turn();
        if (!read_some(fd, out))
            break;
    }
    outcome_settle(fd, out);
    if ((choices & ENDS) != 0) {
        shutdown(fd, SHUT_WR);
        outcome_settle(fd, out);
    }
    close(fd);
    for (int i = 0; i < 8; i++)
        turn();
}

// Checks that each answer is complete: a status line, headers, and as many bytes as
// they say.
static void check_answers(struct str text, struct buf *statuses)
{
    while (text.n_bytes > 0) {
        const char *end = memmem(text.at, text.n_bytes, "\r\n\r\n", 4);
        const char *length;
        size_t n_bytes = 0;

        CHECK(str_starts(text, STR("HTTP/1.1 ")) && end != NULL);
        buf_put(statuses, text.at, (size_t)(strchr(text.at, '\r') - text.at));
        length =
            memmem(text.at, (size_t)(end - text.at), "Content-Length: ", 16);
        // HEAD has a length, and no body: the next status line follows.
        if (length == NULL && !str_starts(text, STR("HTTP/1.1 1")))
            return; // a stream, to the end
        if (length != NULL)
            n_bytes = strtoul(length + 16, NULL, 10);
        end += 4;
        text.n_bytes -= (size_t)(end - text.at);
        text.at = end;
        if (n_bytes <= text.n_bytes && !str_starts(text, STR("HTTP/1.1 "))) {
            text.at += n_bytes;
            text.n_bytes -= n_bytes;
        }
    }
}

static void check_nothing_left(void)
{
    struct http_figures figures = http_server_figures(server);

    CHECK(n_held == 0);
    CHECK(figures.n_connections == 0 && figures.n_buffered_bytes == 0);
    for (int place = 0; place < CONN_LIST_COUNT; place++)
        CHECK(server->lists[place].first == NULL);
    CHECK(server->n_conns == 0);
}

void fuzz_one(struct str input)
{
    uint8_t choices = take_u8(&input);
    uint32_t cuts = take_u32(&input);
    struct buf whole, cut, seen_whole, statuses, statuses_cut;

    start();
    is_later = (choices & LATER) != 0;
    buf_init(&whole, 0);
    buf_init(&cut, 0);
    buf_init(&seen_whole, 0);
    buf_init(&statuses, 0);
    buf_init(&statuses_cut, 0);
    converse(input, choices & ENDS, 0, &whole);
    check_nothing_left();
    check_answers(buf_str(&whole), &statuses);
    buf_put_str(&seen_whole, buf_str(&seen));
    buf_reset(&seen);
    converse(input, choices | CUTS, cuts, &cut);
    check_nothing_left();
    CHECK(str_eq(buf_str(&seen), buf_str(&seen_whole)));
    // A request with several faults may be refused for a different one.
    check_answers(buf_str(&cut), &statuses_cut);
    CHECK(str_eq(buf_str(&statuses_cut), buf_str(&statuses)));
    buf_reset(&seen);
    buf_clear(&whole);
    buf_clear(&cut);
    buf_clear(&seen_whole);
    buf_clear(&statuses);
    buf_clear(&statuses_cut);
}

#define FRONT "A\1\2\3\4"

bool fuzz_seed(size_t i, struct buf *out)
{
    static const char *const texts[] = {
        FRONT "GET /a?q=%41 HTTP/1.1\r\nHost: x\r\n\r\n",
        FRONT "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
              "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        "D\7\2\3\4POST /b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
        "\r\n3;e=1\r\nabc\r\n0\r\n\r\nHEAD / HTTP/1.1\r\nHost: x\r\n\r\n",
        "C\7\7\3\4POST /c HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
        "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
        FRONT "GET /early HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nabcd",
        FRONT "POST /small HTTP/1.1\r\nHost: x\r\nContent-Length: 40\r\n\r\n",
        FRONT "GET /stream HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        FRONT "GET /stream/on HTTP/1.1\r\nHost: x\r\n\r\nabc",
        FRONT "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        FRONT "GET / HTTP/1.0\r\n\r\n",
        FRONT "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\nHost: y\r\n\r\n",
        FRONT
        "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n\r\n\r\nDELETE /d HTTP/1.1\r\n"
        "Host: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: h2c\r\n\r\n",
    };

    return seed_text(texts, sizeof(texts) / sizeof(texts[0]), i, out);
}
