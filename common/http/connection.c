// SPDX-License-Identifier: MIT
// connection.c — the life of a connection: bytes in, requests out.

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/clock.h"
#include "common/base/codec.h"
#include "common/base/mem.h"
#include "common/http/private.h"

#define RECORD_TYPE_HANDSHAKE 22 // of TLS; no letter
#define LINGER_MAX_BYTES      ((size_t)64 * 1024)

// --- input ---

// Keeps input that came too early. If there is no room for it, the connection ends
// with the answer to the request in work, and the client has to repeat the later
// request.
static void keep_input(struct conn *c, const char *at, size_t n_bytes)
{
    if (!budget_has_room(c, n_bytes)) {
        c->keeps_alive = false;
        conn_drop_input(c);
        conn_stop(c);
        return;
    }
    if (c->input_at > 0) {
        buf_consume(&c->input, c->input_at);
        c->input_at = 0;
    }
    buf_put(&c->input, at, n_bytes);
    budget_count(c);
    if (conn_input_bytes(c) >= HTTP_INPUT_BYTES)
        conn_stop(c);
}

// --- requests ---

static void reset_request(struct conn *c)
{
    parse_reset(c);
    conn_leave_client(c);
    conn_release(c);
    conn_drop_body(c);
    budget_leave(c);
    conn_slim(c, HTTP_KEEP_BYTES);
    c->is_handed = false;
    c->is_answered = false;
    c->on_gone = NULL;
    c->is_vital = false;
    c->request.is_private = false;
    c->has_rest = false;
    c->keeps_alive = false;
    conn_enter(c, CONN_IDLE);
}

static void hand_request(struct conn *c)
{
    if (c->is_answered || c->state == CONN_STREAM)
        return; // on_headers has answered
    c->request.body = buf_str(&c->body);
    if (alone_hand(c) == ALONE_REFUSED)
        reply_fault(c, 500, HTTP_REFUSED_BYTES);
}

static void answer_fault(struct conn *c, llhttp_errno_t error)
{
    const char *reason = llhttp_get_error_reason(&c->parser);
    char text[160];

    c->keeps_alive = false;
    if (c->is_answered || c->state == CONN_STREAM)
        return; // answered early, in on_headers; the rest is not read
    if (c->fault == HTTP_REFUSED_STATUS) {
        c->server->figures.n_refused++;
    } else {
        c->server->figures.n_malformed++;
    }
    if (c->looks_like_tls) {
        conn_tell(c, "a client spoke TLS to a port without TLS", "");
        reply_fault(c, 400, "this port speaks HTTP without TLS: use http://");
    } else if (c->fault != 0) {
        reply_fault(c, c->fault, c->fault_text);
    } else if (error == HPE_PAUSED_H2_UPGRADE) {
        reply_fault(c, 505, "only HTTP/1.1 and HTTP/1.0 are spoken here");
    } else {
        snprintf(text, sizeof(text),
                 "%s; a request must be HTTP/1.1 exactly as in RFC 9112",
                 reason != NULL && *reason != '\0' ? reason
                                                   : "this is not HTTP");
        reply_fault(c, 400, text);
    }
}

// Empty lines before a request are no part of it (RFC 9112, 2.2).
static size_t count_blank(const char *at, size_t n_bytes)
{
    size_t n = 0;

    while (n < n_bytes && (at[n] == '\r' || at[n] == '\n'))
        n++;
    return n;
}

// Notes the bytes for blame.h, since the parser is the first code that hostile
// bytes reach.
static llhttp_errno_t feed(struct conn *c, const char *at, size_t n_bytes,
                           size_t *n_used)
{
    struct str bytes = { at, n_bytes };
    struct blamed record = { BLAME_REQUEST, blame_hash(bytes, 1), n_bytes };
    struct blamed before;
    llhttp_errno_t error;

    if (alone_refuses(&record)) {
        c->fault = 500;
        c->fault_text = HTTP_REFUSED_BYTES;
        return HPE_USER;
    }
    before = blame_begin(BLAME_REQUEST, record.a, record.b);
    error = parse_feed(c, at, n_bytes, n_used);
    blame_end(before);
    return error;
}

// Parses one stretch. Returns how much of it was used; the rest belongs to the
// body, or to the next request.
static size_t parse(struct conn *c, const char *at, size_t n_bytes)
{
    llhttp_errno_t error;
    size_t n_used = 0;

    if (c->state == CONN_IDLE) {
        n_used = count_blank(at, n_bytes);
        if (n_used > 0)
            return n_used;
        conn_enter(c, CONN_HEADER);
        c->looks_like_tls = at[0] == RECORD_TYPE_HANDSHAKE;
        c->request.first_byte_us = clock_now_us();
    }
    c->is_in_parser = true;
    error = feed(c, at, n_bytes, &n_used);
    c->is_in_parser = false;
    if (error == HPE_PAUSED) {
        hand_request(c); // it is complete
    } else if (error != HPE_OK) {
        answer_fault(c, error); // bytes after the fault cannot be trusted
    }
    if (c->is_next_due)
        conn_next(c);
    return n_used;
}

static bool is_parsing(const struct conn *c)
{
    return !c->is_tcp_closed &&
           (c->state == CONN_IDLE || c->state == CONN_HEADER ||
            c->state == CONN_BODY);
}

// Parses kept input. Not recursive: an answer given inside a handler only changes
// the state, and this loop continues with the next request; after a long time,
// other connections get their turn first.
static void run(struct conn *c)
{
    uint64_t began_ns = uv_hrtime();
    bool is_over = false;

    if (c->is_running || c->waits_for_turn)
        return;
    c->is_running = true;
    while (is_parsing(c) && conn_input_bytes(c) > 0 && !is_over) {
        c->input_at += parse(c, c->input.at + c->input_at, conn_input_bytes(c));
        is_over = uv_hrtime() - began_ns > HTTP_TURN_NS;
    }
    c->is_running = false;
    budget_count(c);
    if (is_parsing(c) && conn_input_bytes(c) > 0) {
        conn_stop(c);
        turn_wait(c);
        return;
    }
    if (c->is_at_end && is_parsing(c)) {
        conn_close(c); // the rest of a request will not come
    } else if (conn_input_bytes(c) < HTTP_INPUT_BYTES) {
        conn_start(c);
    }
}

void conn_go_on(struct conn *c)
{
    if (c->producer.next != NULL) {
        pieces_go_on(c);
    } else {
        run(c);
    }
}

void conn_next(struct conn *c)
{
    c->is_next_due = c->is_in_parser;
    if (c->is_in_parser || c->is_tcp_closed)
        return;
    if (!c->keeps_alive ||
        (c->server->is_draining && conn_input_bytes(c) == 0)) {
        conn_drop_input(c);
        reply_end(c);
        return;
    }
    reset_request(c);
    run(c);
}

// --- reading ---

// Discards a body. Beyond its limit the body is no longer read, and the clock ends
// the connection: until then the client can read its answer.
static void throw_away(struct conn *c, size_t n_bytes)
{
    c->n_lingered_bytes += n_bytes;
    if (c->n_lingered_bytes > LINGER_MAX_BYTES)
        conn_stop(c);
}

static bool is_ending(const struct conn *c)
{
    return c->state == CONN_ENDING || c->state == CONN_LINGER;
}

// Puts off requests that arrived together when they have taken too long: the rest
// waits for its turn. If there is no room to keep them, the connection ends with
// the last answer.
static void defer(struct conn *c)
{
    conn_stop(c);
    if (conn_input_bytes(c) > 0) {
        turn_wait(c);
    } else if (c->state == CONN_IDLE) {
        reply_end(c);
    } else { // half of it was read
        reply_fault(c, HTTP_REFUSED_STATUS,
                    "too much memory is held for clients (max_buffered_bytes); "
                    "try again later");
    }
}

static void take_input(struct conn *c, const char *at, size_t n_bytes)
{
    uint64_t began_ns = uv_hrtime();
    bool is_over = false;
    size_t n_used = 0;

    if (is_ending(c)) {
        throw_away(c, n_bytes);
        return;
    }
    // The usual case: a whole request and no kept input, parsed in the read buffer.
    c->is_running = true;
    while (is_parsing(c) && n_used < n_bytes && !is_over) {
        n_used += parse(c, at + n_used, n_bytes - n_used);
        is_over = uv_hrtime() - began_ns > HTTP_TURN_NS;
    }
    c->is_running = false;
    if (c->is_tcp_closed || n_used == n_bytes)
        return;
    if (is_ending(c)) {
        throw_away(c, n_bytes - n_used);
    } else {
        keep_input(c, at + n_used, n_bytes - n_used);
        if (is_parsing(c))
            defer(c);
    }
}

void conn_on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *bytes)
{
    struct conn *c = stream->data;

    if (n > 0) {
        take_input(c, bytes->base, (size_t)n);
        return;
    }
    if (n == 0)
        return;
    c->is_at_end = true;
    conn_stop(c);
    // A client that closed its side may still read the answer.
    if (n == UV_EOF && (c->state == CONN_HELD || c->state == CONN_WORK ||
                        c->state == CONN_REPLYING || c->state == CONN_ENDING))
        return;
    conn_close(c);
}

static void refuse_plain(struct conn *c)
{
    conn_tell(c, "a client spoke HTTP without TLS to a port of TLS", "");
    conn_enter(c, CONN_HEADER);
    c->server->figures.n_malformed++;
    reply_fault(c, 400, "this port speaks TLS: use https://");
}

void conn_on_shaken(struct stream *stream, enum shaken how)
{
    struct conn *c = stream->tcp.data;

    switch (how) {
    case SHAKEN_DONE:
        conn_enter(c, CONN_IDLE);
        conn_start(c);
        return;
    case SHAKEN_PLAIN:
        refuse_plain(c);
        return;
    case SHAKEN_FAILED:
        conn_tell(c, "a TLS handshake failed", stream_reason(stream));
        break;
    case SHAKEN_LATE:
        c->server->figures.n_refused++;
        break;
    case SHAKEN_GONE:
        break;
    }
    conn_close(c);
}

struct conn *conn_new(struct http_server *s)
{
    struct conn *c = xcalloc(1, sizeof(*c));

    c->server = s;
    c->list = CONN_LIST_COUNT; // in none yet
    buf_init(&c->text, 0);
    buf_init(&c->body, 0);
    buf_init(&c->input, 0);
    buf_init(&c->output, 0);
    uv_tcp_init(s->loop, &c->stream.tcp);
    c->stream.tcp.data = c;
    s->n_conns++;
    reset_request(c);
    return c;
}
