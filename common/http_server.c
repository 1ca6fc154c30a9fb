// http_server.c — accepting, caps, timeouts, draining.
//
// One timer looks at all connections four times a second: a timer for each
// would cost more than it tells.

#include <stdlib.h>
#include <string.h>

#include "common/http_private.h"
#include "common/log.h"
#include "common/mem.h"

#define BACKLOG          1024
#define TICK_MS          250
#define LINGER_MS        1000
#define REPLY_MS         30000 // a client that does not read its answer
#define BODY_BYTES_PER_S 1024

static bool is_waiting(const struct conn *c)
{
    return c->state == CONN_IDLE || c->state == CONN_HEADER ||
           c->state == CONN_BODY || c->state == CONN_LINGER;
}

// --- the list of connections ---

static void add(struct http_server *s, struct conn *c)
{
    c->prev = s->last;
    if (s->last != NULL) {
        s->last->next = c;
    } else {
        s->first = c;
    }
    s->last = c;
    s->figures.n_connections++;
}

void server_look_drained(struct http_server *s)
{
    void (*done)(void *) = s->on_drained;

    if (!s->is_draining || s->first != NULL || done == NULL)
        return;
    s->on_drained = NULL;
    uv_timer_stop(&s->ticker);
    done(s->drain_data);
}

void server_forget(struct conn *c)
{
    struct http_server *s = c->server;

    if (c->prev != NULL) {
        c->prev->next = c->next;
    } else {
        s->first = c->next;
    }
    if (c->next != NULL) {
        c->next->prev = c->prev;
    } else {
        s->last = c->prev;
    }
    s->figures.n_connections--;
    s->figures.n_buffered_bytes -= c->body.n_bytes;
    buf_clear(&c->text);
    buf_clear(&c->body);
    buf_clear(&c->input);
    buf_clear(&c->output);
    free(c);
    server_look_drained(s);
}

// --- accepting ---

static void name_peer(struct conn *c)
{
    struct sockaddr_storage peer;
    int n_bytes = sizeof(peer);

    if (uv_tcp_getpeername(&c->tcp, (struct sockaddr *)&peer, &n_bytes) != 0)
        return;
    if (peer.ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)&peer;

        uv_ip4_name(v4, c->request.peer, sizeof(c->request.peer));
        memcpy(c->address, &v4->sin_addr, sizeof(v4->sin_addr));
    } else {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&peer;

        uv_ip6_name(v6, c->request.peer, sizeof(c->request.peer));
        memcpy(c->address, &v6->sin6_addr, sizeof(v6->sin6_addr));
    }
}

static unsigned count_of_address(const struct http_server *s,
                                 const struct conn *like)
{
    unsigned n = 0;

    for (const struct conn *c = s->first; c != NULL; c = c->next) {
        n += !c->is_tcp_closed &&
             memcmp(c->address, like->address, sizeof(c->address)) == 0;
    }
    return n;
}

// Who has waited longest without a request in work makes room.
static bool make_room(struct http_server *s, const struct conn *newcomer)
{
    struct conn *longest = NULL;

    for (struct conn *c = s->first; c != NULL; c = c->next) {
        if (c != newcomer && !c->is_tcp_closed && is_waiting(c) &&
            (longest == NULL || c->since_ms < longest->since_ms))
            longest = c;
    }
    if (longest == NULL)
        return false;
    s->figures.n_refused++;
    conn_close(longest);
    return true;
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct http_server *s = listener->data;
    struct conn *c;

    if (status < 0) {
        log_warn("connection not accepted", "reason=%s",
                 log_quote(str_of(uv_strerror(status))));
        return;
    }
    c = conn_new(s);
    add(s, c);
    if (uv_accept(listener, (uv_stream_t *)&c->tcp) != 0) {
        conn_close(c);
        return;
    }
    s->figures.n_accepted++;
    uv_tcp_nodelay(&c->tcp, 1);
    name_peer(c);
    if (count_of_address(s, c) > s->limits.max_per_address ||
        (s->figures.n_connections > s->limits.max_connections &&
         !make_room(s, c))) {
        s->figures.n_refused++;
        conn_fault(c, 503, "too many connections; try again");
        return;
    }
    conn_start(c);
}

// --- the clock ---

static void look_at_body(struct conn *c, uint64_t age_ms)
{
    const struct http_limits *l = &c->server->limits;
    size_t wanted = (size_t)l->body_timeout_ms * BODY_BYTES_PER_S / 1000;

    if (age_ms < l->body_timeout_ms)
        return;
    if (c->n_window_bytes >= wanted) {
        conn_enter(c, CONN_BODY); // the next window
        return;
    }
    c->server->figures.n_timeouts++;
    conn_fault(c, 408, "the body comes too slowly");
}

static void look_at(struct conn *c, uint64_t now_ms)
{
    const struct http_limits *l = &c->server->limits;
    uint64_t age_ms = now_ms - c->since_ms;

    switch (c->state) {
    case CONN_IDLE:
        if (age_ms >= l->idle_timeout_ms)
            conn_close(c);
        break;
    case CONN_HEADER:
        if (age_ms < l->header_timeout_ms)
            break;
        c->server->figures.n_timeouts++;
        conn_fault(c, 408, "the header comes too slowly");
        break;
    case CONN_BODY:
        look_at_body(c, age_ms);
        break;
    case CONN_REPLYING:
        if (age_ms >= REPLY_MS)
            conn_close(c);
        break;
    case CONN_LINGER:
        if (age_ms >= LINGER_MS)
            conn_close(c);
        break;
    case CONN_WORK:
    case CONN_STREAM:
    case CONN_CLOSED:
        break;
    }
}

static void on_tick(uv_timer_t *ticker)
{
    struct http_server *s = ticker->data;
    uint64_t now_ms = uv_now(s->loop);
    struct conn *next;

    for (struct conn *c = s->first; c != NULL; c = next) {
        next = c->next; // handles are freed later, in their close callbacks
        if (!c->is_tcp_closed)
            look_at(c, now_ms);
    }
}

// --- the server ---

static void on_listener_closed(uv_handle_t *handle)
{
    server_look_drained(handle->data);
}

void http_server_drain(struct http_server *s, void (*done)(void *data),
                       void *data)
{
    struct conn *next;

    s->is_draining = true;
    s->on_drained = done;
    s->drain_data = data;
    for (struct conn *c = s->first; c != NULL; c = next) {
        next = c->next;
        if (c->state == CONN_IDLE && !c->is_tcp_closed)
            conn_close(c);
    }
    if (s->is_listening) {
        s->is_listening = false;
        uv_close((uv_handle_t *)&s->tcp, on_listener_closed);
    }
}

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
    int rc;

    s->loop = loop;
    s->limits = *limits;
    s->handlers = *handlers;
    s->read_buffer = xmalloc(HTTP_READ_BYTES);
    conn_settings(&s->settings);
    uv_tcp_init(loop, &s->tcp);
    s->tcp.data = s;
    rc = uv_tcp_open(&s->tcp, fd);
    if (rc == 0)
        rc = uv_listen((uv_stream_t *)&s->tcp, BACKLOG, on_connection);
    if (rc != 0) {
        log_warn("cannot serve", "reason=%s",
                 log_quote(str_of(uv_strerror(rc))));
        return ERR_IO;
    }
    uv_timer_init(loop, &s->ticker);
    s->ticker.data = s;
    uv_timer_start(&s->ticker, on_tick, TICK_MS, TICK_MS);
    s->is_listening = true;
    *out = s;
    return OK;
}
