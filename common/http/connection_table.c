// SPDX-License-Identifier: MIT
// connection_table.c — the connections of a server: their lists, turns, states,
// and end.
//
// This module calls none of the modules that read requests and write answers: they
// react to events through struct conn_events.

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/codec.h"
#include "common/base/mem.h"
#include "common/http/private.h"
#include "common/log/log.h"

#define TELL_EVERY_MS 10000

// --- lists ---

void conn_list_leave(struct conn *c)
{
    if (c->list == CONN_LIST_COUNT)
        return;
    // Waiting connections are also in a list of their address.
    if (c->list == CONN_LIST_WAITING && c->peer != NULL)
        list_remove(&c->peer->waiting, &c->at_peer);
    list_remove(&c->server->lists[c->list], &c->in_list);
    c->list = CONN_LIST_COUNT;
}

void conn_list_enter(struct conn *c, enum conn_list list)
{
    conn_list_leave(c);
    c->list = list;
    list_push(&c->server->lists[list], &c->in_list);
    if (list == CONN_LIST_WAITING && c->peer != NULL)
        list_push(&c->peer->waiting, &c->at_peer);
}

// --- holders ---

void conn_release(struct conn *c)
{
    if (c->is_held)
        shares_remove(&c->server->holders, c->holder_no, 1);
    c->is_held = false;
}

enum share http_hold(struct http_request *r, uint64_t holder_no,
                     const struct share_limit *limit)
{
    struct conn *c = conn_of(r);
    struct shares *holders = &c->server->holders;
    enum share share;

    conn_release(c);
    share =
        shares_check(holders, limit, holder_no, holder_no == SHARE_ADMIN, 1);
    if (share != SHARE_THERE)
        return share;
    shares_add(holders, holder_no, 1);
    c->is_held = true;
    c->holder_no = holder_no;
    if (c->list == CONN_LIST_WAITING)
        conn_list_enter(c, CONN_LIST_BUSY);
    return SHARE_THERE;
}

void conn_uncount(struct conn *c)
{
    bool is_handlers = c->state == CONN_WORK || c->state == CONN_STREAM;

    conn_leave_peer(c);
    // What the handler still holds takes memory, and counts until it answers.
    if (c->is_counted && (c->is_answered || c->is_gone || !is_handlers)) {
        c->is_counted = false;
        c->server->figures.n_connections--;
    }
}

// --- turns ---

// Requests that arrived together, and answers in pieces, must not block the loop: what is
// left of them waits here. Between two turns the loop looks at all its sockets.

void turn_leave(struct conn *c)
{
    struct list *turns = &c->server->turns;

    if (!c->waits_for_turn)
        return;
    c->waits_for_turn = false;
    list_remove(turns, &c->turn);
    if (turns->first == NULL)
        uv_idle_stop(&c->server->turner);
}

// Each connection has at most one turn, so that the loop looks at the sockets in
// between.
static void on_turn(uv_idle_t *turner)
{
    struct http_server *s = turner->data;
    const struct list_node *last = s->turns.last;
    struct conn *c;
    uint64_t began_ns = uv_hrtime();
    bool is_last = false;

    while (!is_last && uv_hrtime() - began_ns < HTTP_TURN_NS &&
           (c = LIST_FIRST(&s->turns, struct conn, turn)) != NULL) {
        is_last = s->turns.first == last;
        turn_leave(c);
        s->events.on_turn(c);
    }
}

void turn_wait(struct conn *c)
{
    struct list *turns = &c->server->turns;

    if (c->waits_for_turn || c->is_tcp_closed)
        return;
    if (turns->first == NULL)
        uv_idle_start(&c->server->turner, on_turn);
    c->waits_for_turn = true;
    list_push(turns, &c->turn);
}

void turn_init(struct http_server *s)
{
    uv_idle_init(s->loop, &s->turner);
    s->turner.data = s;
}

// --- states ---

static enum conn_list conn_list_of(const struct conn *c, enum conn_state state)
{
    switch (state) {
    case CONN_SHAKING:
    case CONN_IDLE:
    case CONN_HEADER:
        return CONN_LIST_WAITING;
    case CONN_BODY:
    case CONN_REPLYING:
    case CONN_ENDING:
        return c->is_held ? CONN_LIST_BUSY : CONN_LIST_WAITING;
    case CONN_HELD:
    case CONN_WORK:
    case CONN_STREAM:
        return CONN_LIST_BUSY;
    case CONN_LINGER:
        return CONN_LIST_LINGER;
    case CONN_CLOSED:
        break;
    }
    return CONN_LIST_GONE;
}

void conn_enter(struct conn *c, enum conn_state state)
{
    enum conn_list list =
        c->is_tcp_closed ? CONN_LIST_GONE : conn_list_of(c, state);

    c->state = state;
    c->since_ms = uv_now(c->server->loop);
    c->n_window_bytes = 0;
    c->n_taken_bytes = UINT64_MAX;
    if (list != c->list || state == CONN_IDLE)
        conn_list_enter(c, list);
}

// --- buffers ---

static void slim(struct buf *b, size_t keep_bytes)
{
    if (b->room_bytes > keep_bytes)
        buf_clear(b);
}

void conn_drop_body(struct conn *c)
{
    buf_reset(&c->body);
    slim(&c->body, HTTP_KEEP_BYTES);
    budget_count(c);
}

void conn_drop_input(struct conn *c)
{
    buf_clear(&c->input);
    c->input_at = 0;
    budget_count(c);
}

// Only between requests: nothing may point into them.
void conn_slim(struct conn *c, size_t keep_bytes)
{
    slim(&c->text, keep_bytes);
    slim(&c->body, keep_bytes);
    slim(&c->output, keep_bytes);
    if (keep_bytes == 0)
        stream_slim(&c->stream);
    if (conn_input_bytes(c) == 0) {
        buf_reset(&c->input);
        c->input_at = 0;
        slim(&c->input, keep_bytes);
    }
}

// --- reading ---

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    struct conn *c = handle->data;
    size_t n_bytes = HTTP_READ_BYTES;

    (void)suggested;
    if (c->state == CONN_HELD || c->state == CONN_WORK ||
        c->state == CONN_REPLYING || c->state == CONN_STREAM) // input is kept
        n_bytes = HTTP_INPUT_BYTES - conn_input_bytes(c);
    *out = uv_buf_init(c->server->read_buffer, (unsigned)n_bytes);
}

void conn_start(struct conn *c)
{
    if (c->is_tcp_closed || c->is_reading || c->is_at_end)
        return;
    if (stream_start(&c->stream, on_alloc, c->server->events.on_read) == 0) {
        c->is_reading = true;
    } else {
        conn_close(c);
    }
}

void conn_stop(struct conn *c)
{
    if (c->is_reading)
        stream_stop(&c->stream);
    c->is_reading = false;
}

// --- ends ---

void conn_end_producer(struct conn *c)
{
    struct http_producer producer = c->producer;

    if (producer.next == NULL)
        return;
    c->producer = (struct http_producer){ .next = NULL };
    producer.done(producer.data);
}

void conn_hand_dropped(struct conn *c)
{
    struct http_server *s = c->server;

    if (!c->is_handed || c->is_answered)
        return;
    c->is_handed = false;
    if (s->handlers.on_dropped != NULL)
        s->handlers.on_dropped(s->handlers.data, &c->request);
    c->request.data = NULL;
}

void conn_forget(struct conn *c)
{
    struct http_server *s = c->server;

    conn_uncount(c);
    conn_release(c);
    conn_list_leave(c);
    buf_clear(&c->text);
    buf_clear(&c->body);
    buf_clear(&c->input);
    c->input_at = 0;
    buf_clear(&c->output);
    budget_count(c); // it holds nothing now
    budget_leave(c);
    free(c);
    if (--s->n_conns == 0)
        s->events.on_last_freed(s);
}

static void on_closed(uv_handle_t *handle)
{
    struct conn *c = handle->data;
    void (*on_gone)(struct http_request *) = c->on_gone;

    c->is_gone = true;
    stream_clear(&c->stream);
    c->server->events.on_descriptor_free(c->server);
    // Not in conn_close(), whose caller may be the function that began it.
    conn_end_producer(c);
    if ((c->state != CONN_STREAM && c->state != CONN_WORK) || c->is_answered) {
        conn_forget(c);
        return;
    }
    c->on_gone = NULL; // the handler has the request: freed when it answers
    if (on_gone != NULL)
        on_gone(&c->request); // last: it may answer, or end the stream
}

// Whether no answer, and no part of one, is lost if the connection is closed now.
static bool is_complete(const struct conn *c)
{
    return c->state == CONN_IDLE || c->state == CONN_HEADER ||
           c->state == CONN_BODY || c->state == CONN_ENDING ||
           c->state == CONN_LINGER;
}

void conn_close(struct conn *c)
{
    bool was_complete = is_complete(c);

    if (c->is_tcp_closed)
        return;
    c->is_tcp_closed = true;
    c->is_reading = false;
    if (c->state == CONN_HELD)
        list_remove(&c->server->held, &c->held);
    if (c->state != CONN_WORK && c->state != CONN_STREAM)
        conn_hand_dropped(c);
    conn_uncount(c);
    conn_enter(c, c->state == CONN_WORK || c->state == CONN_STREAM
                      ? c->state
                      : CONN_CLOSED);
    stream_close(&c->stream, was_complete, on_closed);
    turn_leave(c);
}

// The reset makes the kernel drop its buffers, too, and tells the client that the
// answer is incomplete.
void conn_cut(struct conn *c)
{
    struct linger now = { .l_onoff = 1, .l_linger = 0 };
    uv_os_fd_t fd;

    if (uv_fileno((uv_handle_t *)&c->stream.tcp, &fd) == 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    conn_close(c);
}

// --- the log ---

void conn_tell(struct conn *c, const char *message, const char *reason)
{
    struct http_server *s = c->server;
    uint64_t now_ms = uv_now(s->loop);

    if (now_ms < s->tell_again_ms) {
        s->n_untold++;
        return;
    }
    log_info(message, "peer=%s reason=%s others=%u", c->request.peer,
             log_quote(str_of(reason)), s->n_untold);
    s->tell_again_ms = now_ms + TELL_EVERY_MS;
    s->n_untold = 0;
}

bool conn_make_room_of_peer(const struct conn *newcomer)
{
    struct conn *c = LIST_FIRST(&newcomer->peer->waiting, struct conn, at_peer);

    if (c == NULL || c == newcomer)
        return false;
    newcomer->server->figures.n_refused++;
    conn_close(c);
    return true;
}
