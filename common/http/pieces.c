// SPDX-License-Identifier: MIT
// pieces.c — answers that are produced while their clients read.
//
// Happy path: the handler gives the first piece; when the client has taken it, the
// connection waits for its turn, the producer makes the next, and so on. A piece is
// a chunk.
//
// If it fails: the connection is closed with a reset, since what was sent cannot be
// taken back, and an HTTP/1.0 client has no other sign that an answer is
// incomplete.

#include <assert.h>
#include <stdio.h>

#include "common/http/private.h"

#define KEEP_BYTES (4 * HTTP_PIECE_BYTES) // of the server's buffer for a piece

static void put_piece(struct conn *c, struct str piece)
{
    char head[24];

    if (piece.n_bytes == 0)
        return; // an empty chunk would be the end
    if (c->is_chunked) {
        snprintf(head, sizeof(head), "%zx\r\n", piece.n_bytes);
        buf_puts(&c->output, head);
    }
    buf_put_str(&c->output, piece);
    if (c->is_chunked)
        buf_puts(&c->output, "\r\n");
}

static enum http_more make_piece(struct conn *c)
{
    struct http_request *r = &c->request;
    struct blamed before = blame_begin(BLAME_REQUEST, r->hash[0], r->hash[1]);
    enum http_more more;

    buf_reset(&c->server->piece);
    more = c->producer.next(c->producer.data, &c->server->piece);
    blame_end(before);
    return more;
}

void pieces_go_on(struct conn *c)
{
    struct http_server *s = c->server;
    bool has_body = c->request.method != METHOD_HEAD;
    enum http_more more = has_body ? make_piece(c) : HTTP_LAST;

    if (more == HTTP_FAILED) {
        conn_cut(c);
        return;
    }
    if (has_body)
        put_piece(c, buf_str(&s->piece));
    if (s->piece.room_bytes > KEEP_BYTES)
        buf_clear(&s->piece);
    if (more == HTTP_LAST) {
        if (c->is_chunked && has_body)
            buf_puts(&c->output, "0\r\n\r\n");
        alone_produced(c);
        conn_end_producer(c);
    }
    budget_count(c);
    reply_write(c);
}

bool http_respond_pieces(struct http_request *r,
                         const struct http_response *resp,
                         const struct http_producer *producer)
{
    struct conn *c = conn_of(r);

    assert(!c->is_answered && producer->next != NULL);
    if (!c->is_tcp_closed)
        c->producer = *producer;
    if (!reply_begin(c, resp))
        return false;
    c->is_chunked = c->parser.http_minor > 0;
    if (!c->is_chunked)
        c->keeps_alive = false;
    buf_reset(&c->output);
    reply_put_head(c, resp);
    if (r->method != METHOD_HEAD)
        put_piece(c, resp->body);
    conn_drop_body(c); // only now: the answer may have been made of it
    conn_enter(c, CONN_REPLYING);
    reply_write(c);
    return true;
}
