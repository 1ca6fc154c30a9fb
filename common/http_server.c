// http_server.c — start, the clock, draining.
//
// One timer looks at all connections four times a second: a timer for each
// would cost more than it tells.

#include <assert.h>
#include <stdlib.h>

#include "common/http_private.h"
#include "common/mem.h"

#define TICK_MS          250
#define LINGER_MS        250
#define REPLY_MS         30000 // a client that reads nothing of its answer
#define SLIM_MS          1000  // after that an idle connection keeps no buffers
#define BODY_BYTES_PER_S 1024

// --- the clock ---

static void look_at_idle(struct conn *c, uint64_t age_ms)
{
    if (age_ms >= c->server->limits.idle_timeout_ms) {
        conn_close(c);
    } else if (age_ms >= SLIM_MS) {
        conn_slim(c, 0);
    }
}

static void look_at_header(struct conn *c, uint64_t age_ms)
{
    if (age_ms < c->server->limits.header_timeout_ms)
        return;
    c->server->figures.n_timeouts++;
    conn_fault(c, 408, "the header comes too slowly");
}

static void look_at_body(struct conn *c, uint64_t age_ms)
{
    const struct http_limits *l = &c->server->limits;
    uint64_t wanted = (uint64_t)l->body_timeout_ms * BODY_BYTES_PER_S / 1000;

    if (age_ms < l->body_timeout_ms)
        return;
    if (c->n_window_bytes >= wanted) {
        conn_enter(c, CONN_BODY); // the next window
        return;
    }
    c->server->figures.n_timeouts++;
    conn_fault(c, 408, "the body comes too slowly");
}

static void look_at_reply(struct conn *c, uint64_t age_ms)
{
    size_t n_bytes = uv_stream_get_write_queue_size((uv_stream_t *)&c->tcp);

    if (age_ms < REPLY_MS)
        return;
    if (n_bytes >= c->n_unsent_bytes) {
        conn_close(c);
        return;
    }
    conn_enter(c, c->state); // the next window
    c->n_unsent_bytes = n_bytes;
}

static void look_at(struct conn *c, uint64_t now_ms)
{
    uint64_t age_ms = now_ms - c->since_ms;

    switch (c->state) {
    case CONN_IDLE:
        look_at_idle(c, age_ms);
        break;
    case CONN_HEADER:
        look_at_header(c, age_ms);
        break;
    case CONN_BODY:
        look_at_body(c, age_ms);
        break;
    case CONN_REPLYING:
    case CONN_ENDING:
        look_at_reply(c, age_ms);
        break;
    case CONN_LINGER:
        if (age_ms >= LINGER_MS)
            conn_close(c);
        break;
    case CONN_HELD: // alone_look() does
    case CONN_WORK:
    case CONN_STREAM:
    case CONN_CLOSED:
        break;
    }
}

// Streams that were begun when their client had gone already.
static void tell_streams(struct http_server *s)
{
    struct conn *c = s->places[PLACE_GONE].first;

    while (c != NULL) {
        void (*on_gone)(struct http_request *) = c->on_gone;

        if (c->is_gone && on_gone != NULL) {
            c->on_gone = NULL;
            on_gone(&c->request);
            c = s->places[PLACE_GONE].first; // it may have ended others
        } else {
            c = c->next;
        }
    }
}

static void on_tick(uv_timer_t *ticker)
{
    struct http_server *s = ticker->data;
    uint64_t now_ms = uv_now(s->loop);

    for (int place = 0; place < PLACE_GONE; place++) {
        struct conn *next;

        for (struct conn *c = s->places[place].first; c != NULL; c = next) {
            next = c->next; // it is freed later, but it may change its place
            if (!c->is_tcp_closed)
                look_at(c, now_ms);
        }
    }
    tell_streams(s);
    alone_look(s);
    accept_resume(s);
}

// --- draining ---

static void on_handle_closed(uv_handle_t *handle)
{
    struct http_server *s = handle->data;

    if (--s->n_handles == 0 && s->on_drained != NULL)
        s->on_drained(s->drain_data); // last: it may free the server
}

static void look_drained(struct http_server *s)
{
    if (!s->is_draining || s->n_conns > 0 ||
        uv_is_closing((uv_handle_t *)&s->ticker))
        return;
    uv_close((uv_handle_t *)&s->ticker, on_handle_closed);
}

void server_forget(struct conn *c)
{
    struct http_server *s = c->server;

    accept_uncount(c);
    accept_unplace(c);
    s->figures.n_buffered_bytes -= c->n_counted_bytes;
    buf_clear(&c->text);
    buf_clear(&c->body);
    buf_clear(&c->input);
    buf_clear(&c->output);
    free(c);
    s->n_conns--;
    look_drained(s);
}

void http_server_drain(struct http_server *s, void (*done)(void *data),
                       void *data)
{
    struct conn *next;

    assert(!s->is_draining);
    s->is_draining = true;
    s->on_drained = done;
    s->drain_data = data;
    accept_stop(s, on_handle_closed);
    for (struct conn *c = s->places[PLACE_WAITING].first; c != NULL; c = next) {
        next = c->next;
        if (c->state == CONN_IDLE)
            conn_close(c);
    }
    for (struct conn *c = s->places[PLACE_BUSY].first; c != NULL; c = next) {
        next = c->next;
        if (c->state == CONN_STREAM) // it would go on for ever
            conn_close(c);
    }
    look_drained(s);
}

void http_server_free(struct http_server *s)
{
    assert(s->n_handles == 0);
    free(s->read_buffer);
    free(s);
}

// --- the server ---

struct http_figures http_server_figures(const struct http_server *s)
{
    return s->figures;
}

enum err http_server_start(struct uv_loop_s *loop, int fd,
                           const struct http_limits *limits,
                           const struct http_handlers *handlers,
                           struct http_server **out)
{
    struct http_server *s = xcalloc(1, sizeof(*s));
    enum err err;

    s->loop = loop;
    s->listen_fd = fd;
    s->limits = *limits;
    s->handlers = *handlers;
    parse_settings(&s->settings);
    err = accept_start(s);
    if (err != OK) {
        free(s);
        return err;
    }
    s->read_buffer = xmalloc(HTTP_READ_BYTES);
    uv_timer_init(loop, &s->ticker);
    s->ticker.data = s;
    uv_timer_start(&s->ticker, on_tick, TICK_MS, TICK_MS);
    s->n_handles = 2; // ticker and listener
    *out = s;
    return OK;
}
