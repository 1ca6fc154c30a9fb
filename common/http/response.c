// SPDX-License-Identifier: MIT
// response.c — answers and streams.

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/encoding/json_writer.h"
#include "common/http/private.h"

#define VITAL_PART              8 // vital answers may take 1/8 of the budget
#define STREAM_UNSENT_MAX_BYTES ((size_t)1024 * 1024)

static void on_shut_down(uv_shutdown_t *shutdown, int status)
{
    struct conn *c = shutdown->data;

    if (c->is_tcp_closed)
        return; // its close callback frees it
    if (status < 0 || c->is_at_end) {
        conn_close(c);
    } else {
        conn_enter(c, CONN_LINGER);
    }
}

// Lets the client read the answer before the connection is closed: closing a socket
// with unread bytes would reset the connection.
void reply_end(struct conn *c)
{
    conn_enter(c, CONN_ENDING);
    c->shutdown.data = c;
    if ((c->is_at_end && stream_unsent_bytes(&c->stream) == 0) ||
        stream_shutdown(&c->stream, &c->shutdown, on_shut_down) != 0) {
        conn_close(c);
    } else {
        conn_start(c);
    }
}

// The client, or the kernel for it, has taken all output.
static void taken(struct conn *c)
{
    buf_reset(&c->output);
    budget_count(c);
    if (c->producer.next != NULL) {
        turn_wait(c);
    } else {
        c->server->events.on_reply_done(c);
    }
}

static void on_written(struct stream_write *write, int status)
{
    struct conn *c = write->data;

    if (c->is_tcp_closed)
        return; // its close callback frees it
    if (status < 0) {
        conn_close(c);
    } else {
        taken(c);
    }
}

void reply_write(struct conn *c)
{
    uv_buf_t bytes = uv_buf_init(c->output.at, (unsigned)c->output.n_bytes);
    int n = 0;

    if (bytes.len > 0)
        n = stream_try_write(&c->stream, &bytes);
    if (n == (int)c->output.n_bytes && stream_unsent_bytes(&c->stream) == 0) {
        taken(c);
        return;
    }
    if (n < 0 && n != UV_EAGAIN) {
        conn_close(c);
        return;
    }
    if (n > 0)
        buf_consume(&c->output, (size_t)n);
    c->write = (struct stream_write){
        .rest = uv_buf_init(c->output.at, (unsigned)c->output.n_bytes),
        .done = on_written,
        .data = c,
    };
    if (stream_write(&c->stream, &c->write) != 0) {
        conn_close(c);
    } else if (c->stream.crypt != NULL) {
        budget_count(c);
    }
}

// Some readers end the line at a NUL, others do not.
static bool has_nul(struct str s)
{
    return s.n_bytes > 0 && memchr(s.at, '\0', s.n_bytes) != NULL;
}

void reply_put_head(struct conn *c, const struct http_response *resp)
{
    bool has_body = resp->body.n_bytes > 0 || c->producer.next != NULL;
    struct buf *out = &c->output;

    buf_puts(out, "HTTP/1.1 ");
    buf_put_u64(out, resp->status);
    buf_putc(out, ' ');
    buf_puts(out, http_reason(resp->status));
    if (has_body) {
        buf_puts(out, "\r\nContent-Type: ");
        buf_put_str(out, resp->content_type.n_bytes > 0
                             ? resp->content_type
                             : STR("application/json"));
    }
    if (c->producer.next != NULL) {
        if (c->is_chunked)
            buf_puts(out, "\r\nTransfer-Encoding: chunked");
    } else if (resp->status >= 200 && resp->status != 204 &&
               resp->status != 304) {
        buf_puts(out, "\r\nContent-Length: ");
        buf_put_u64(out, resp->body.n_bytes);
    }
    if (!c->keeps_alive) {
        buf_puts(out, "\r\nConnection: close");
    } else if (c->parser.http_minor == 0) {
        buf_puts(out, "\r\nConnection: keep-alive");
    }
    buf_puts(out, "\r\n");
    if (c->request.is_private)
        buf_puts(out, "Cache-Control: no-store\r\n");
    assert(!has_nul(resp->headers) && !has_nul(resp->content_type));
    buf_put_str(out, resp->headers);
    buf_puts(out, "\r\n");
}

bool reply_begin(struct conn *c, const struct http_response *resp)
{
    assert(!c->is_answered);
    c->is_answered = true;
    alone_answered(c);
    if (c->is_tcp_closed) { // nobody is there to read it
        if (c->is_gone)
            conn_forget(c);
        return false;
    }
    if (resp->close || c->has_rest || c->server->is_draining ||
        c->n_requests >= c->server->limits.max_requests)
        c->keeps_alive = false;
    return true;
}

static size_t vital_bytes(const struct http_server *s)
{
    size_t n_bytes = 0;

    for (const struct conn *c = conn_list_first(s, CONN_LIST_WAITING);
         c != NULL; c = conn_list_next(c))
        n_bytes += c->is_vital ? c->n_counted_output_bytes : 0;
    return n_bytes;
}

// Requests for vital answers have no holder (http_hold()), so their connections are
// in the list of those that wait, in the order in which they entered it.
static void close_unread_vital(struct conn *newcomer)
{
    struct http_server *s = newcomer->server;
    size_t max_bytes = s->limits.max_buffered_bytes / VITAL_PART;
    size_t n_bytes = 0;
    struct conn *next;

    if (s->figures.n_vital_bytes > max_bytes)
        n_bytes = vital_bytes(s); // without closed connections
    for (struct conn *c = conn_list_first(s, CONN_LIST_WAITING);
         c != NULL && n_bytes > max_bytes; c = next) {
        next = conn_list_next(c);
        if (c == newcomer || !c->is_vital)
            continue;
        n_bytes -= c->n_counted_output_bytes;
        conn_cut(c);
    }
}

void http_respond(struct http_request *r, const struct http_response *resp)
{
    struct conn *c = conn_of(r);

    if (!reply_begin(c, resp))
        return;
    c->is_vital = resp->is_vital;
    buf_reset(&c->output);
    reply_put_head(c, resp);
    if (r->method != METHOD_HEAD)
        buf_put_str(&c->output, resp->body);
    conn_drop_body(c); // only now: the answer may have been made of it
    conn_enter(c, CONN_REPLYING);
    if (resp->is_vital)
        close_unread_vital(c);
    reply_write(c);
}

static void put_failure(const struct http_request *r, unsigned status,
                        const char *field, struct str message, struct buf *body)
{
    struct json_writer w = json_writer(body);

    json_open_object(&w, NULL);
    json_put_u64(&w, "code", status);
    json_put_str(&w, "message", message);
    if (field != NULL)
        json_put_text(&w, "field", field);
    if (r->has_node_errors) {
        json_put_u64(&w, "statusCode", status);
        json_put_text(&w, "error", http_reason(status));
    }
    json_close(&w);
}

__attribute__((format(printf, 5, 0))) static void
fail(struct http_request *r, unsigned status, struct str headers,
     const char *field, const char *detail, va_list args)
{
    struct http_response resp = { .status = status, .headers = headers };
    struct buf message;
    struct buf body;

    buf_init(&message, 0);
    buf_init(&body, 0);
    buf_printf(&message, "%s: ", http_reason(status));
    buf_vprintf(&message, detail, args);
    put_failure(r, status, field, buf_str(&message), &body);
    resp.body = buf_str(&body);
    http_respond(r, &resp);
    buf_clear(&message);
    buf_clear(&body);
}

void http_fail(struct http_request *r, unsigned status, struct str headers,
               const char *detail, ...)
{
    va_list args;

    va_start(args, detail);
    fail(r, status, headers, NULL, detail, args);
    va_end(args);
}

void http_fail_field(struct http_request *r, unsigned status, const char *field,
                     const char *detail, ...)
{
    va_list args;

    va_start(args, detail);
    fail(r, status, STR_EMPTY, field, detail, args);
    va_end(args);
}

void reply_fault(struct conn *c, unsigned status, const char *text)
{
    struct str headers = STR_EMPTY;

    conn_hand_dropped(c);
    if (status == HTTP_REFUSED_STATUS) {
        headers = STR("Retry-After: 1\r\n");
    } else if (status == 405) {
        headers =
            STR("Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n");
    }
    c->has_rest = true; // so the connection is not reused
    if (!c->has_headers)
        c->request.method = METHOD_OTHER;
    http_fail(&c->request, status, headers, "%s", text);
}

// --- streams ---

struct piece {
    struct stream_write write;
    struct conn *conn;
    char bytes[];
};

static void on_piece_written(struct stream_write *write, int status)
{
    struct piece *piece = write->data;
    struct conn *c = piece->conn;

    free(piece);
    budget_count(c);
    if (status < 0)
        conn_close(c);
}

// Copies what could not be written at once.
static void queue_piece(struct conn *c, struct str bytes)
{
    struct piece *piece = xmalloc(sizeof(*piece) + bytes.n_bytes);

    memcpy(piece->bytes, bytes.at, bytes.n_bytes);
    piece->conn = c;
    piece->write = (struct stream_write){
        .rest = uv_buf_init(piece->bytes, (unsigned)bytes.n_bytes),
        .done = on_piece_written,
        .data = piece,
    };
    if (stream_write(&c->stream, &piece->write) == 0) {
        budget_count(c);
        return;
    }
    free(piece);
    conn_close(c);
}

static bool stream_has_room(const struct conn *c, size_t n_bytes)
{
    size_t n_held = stream_unsent_bytes(&c->stream) + n_bytes;

    return n_held <= HTTP_SMALL_BYTES ||
           (n_held <= STREAM_UNSENT_MAX_BYTES && budget_has_room(c, n_bytes));
}

size_t http_stream_unread_bytes(const struct http_request *r)
{
    const char *at = (const char *)r - offsetof(struct conn, request);
    const struct conn *c = (const struct conn *)(const void *)at;

    return stream_unsent_bytes(&c->stream);
}

void http_stream_write(struct http_request *r, struct str bytes)
{
    struct conn *c = conn_of(r);
    uv_buf_t out = { .len = bytes.n_bytes };
    int n;

    if (c->is_tcp_closed || bytes.n_bytes == 0 || r->method == METHOD_HEAD)
        return;
    memcpy(&out.base, &bytes.at, sizeof(out.base)); // libuv only reads it
    // UV_EAGAIN too while others wait.
    n = stream_try_write(&c->stream, &out);
    if (n < 0 && n != UV_EAGAIN) {
        conn_close(c);
        return;
    }
    if (n > 0) {
        bytes.at += n;
        bytes.n_bytes -= (size_t)n;
    }
    if (!stream_has_room(c, bytes.n_bytes)) {
        conn_close(c); // a client that does not read; on_gone tells
    } else if (bytes.n_bytes > 0) {
        queue_piece(c, bytes);
    }
}

void http_watch(struct http_request *r, void (*on_gone)(struct http_request *r))
{
    struct conn *c = conn_of(r);

    assert(!c->is_answered);
    c->on_gone = on_gone; // if the client is gone, the clock will say so
}

void http_stream_begin(struct http_request *r, struct str content_type,
                       void (*on_gone)(struct http_request *r))
{
    struct conn *c = conn_of(r);
    enum http_method method = r->method;
    struct buf head;

    assert(!c->is_answered && c->state != CONN_STREAM);
    assert(!has_nul(content_type));
    c->on_gone = on_gone; // if the client is gone, the clock will say so
    c->keeps_alive = false;
    alone_answered(c);
    conn_enter(c, CONN_STREAM);
    if (c->is_tcp_closed)
        return;
    buf_init(&head, 0);
    buf_printf(&head,
               "HTTP/1.1 200 OK\r\nContent-Type: %.*s\r\n"
               "Cache-Control: no-store\r\nConnection: close\r\n\r\n",
               STR_ARG(content_type));
    r->method = METHOD_GET; // HEAD gets this much
    http_stream_write(r, buf_str(&head));
    r->method = method;
    buf_clear(&head);
}

void http_stream_end(struct http_request *r)
{
    struct conn *c = conn_of(r);

    assert(!c->is_answered);
    c->is_answered = true;
    c->on_gone = NULL;
    if (c->is_gone) {
        conn_forget(c);
    } else {
        c->server->events.on_reply_done(c);
    }
}
