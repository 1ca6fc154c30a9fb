// SPDX-License-Identifier: MIT
// server.c — start, the clock, draining.
//
// One timer checks all connections four times a second: a timer for each would cost
// more than it is worth.

#include <assert.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/base/tcp_acked.h"
#include "common/config/caps.h"
#include "common/http/private.h"
#include "common/log/log.h"
#include "common/process/metrics.h"
#include "common/stream/tls_bundle.h"

#define TICK_MS           250
#define QUERY_MS          500 // between two checks whether a client is there
#define LINGER_MS         250
#define DRAIN_REPLY_MS    5000 // after that, answers do not delay a drain
#define SLIM_MS           1000 // after that, an idle connection keeps no buffers
#define FLOOR_BYTES_PER_S 1024 // of a body, and of an answer

// --- the clock ---

static void check_idle(struct conn *c, uint64_t age_ms)
{
    if (age_ms >= c->server->limits.idle_timeout_ms) {
        conn_close(c);
    } else if (age_ms >= SLIM_MS) {
        conn_slim(c, 0);
    }
}

// Whether or not it has begun: until then a connection is of no use to its client.
static void check_handshake(struct conn *c, uint64_t age_ms)
{
    if (age_ms < c->server->limits.header_timeout_ms)
        return;
    c->server->figures.n_timeouts++;
    conn_close(c);
}

static void check_header_time(struct conn *c, uint64_t age_ms)
{
    if (age_ms < c->server->limits.header_timeout_ms)
        return;
    c->server->figures.n_timeouts++;
    reply_fault(c, 408, "the header comes too slowly");
}

static void check_body_rate(struct conn *c, uint64_t age_ms)
{
    const struct http_limits *l = &c->server->limits;
    uint64_t wanted = (uint64_t)l->body_timeout_ms * FLOOR_BYTES_PER_S / 1000;

    if (age_ms < l->body_timeout_ms)
        return;
    if (c->n_window_bytes >= wanted) {
        conn_enter(c, CONN_BODY); // the next window
        return;
    }
    c->server->figures.n_timeouts++;
    reply_fault(c, 408, "the body comes too slowly");
}

// What the client's machine has acknowledged: our kernel buffers more or less of an
// answer, and releases it in large steps.
static uint64_t taken_bytes(const struct conn *c)
{
    uv_os_fd_t fd;

    if (uv_fileno((const uv_handle_t *)&c->stream.tcp, &fd) != 0)
        return 0;
    return tcp_acked_bytes(fd);
}

static bool has_output(const struct conn *c)
{
    return stream_unsent_bytes(&c->stream) > 0;
}

// The minimum rate of bodies also holds for answers: a client that takes less than
// 1 KiB/s of waiting data is disconnected.
static void check_output_rate(struct conn *c, uint64_t age_ms)
{
    const struct http_limits *l = &c->server->limits;
    uint64_t wanted = (uint64_t)l->body_timeout_ms * FLOOR_BYTES_PER_S / 1000;
    uint64_t before = c->n_taken_bytes;

    if (before != UINT64_MAX && age_ms < l->body_timeout_ms)
        return;
    if (before != UINT64_MAX && taken_bytes(c) - before < wanted) {
        c->server->figures.n_timeouts++;
        conn_cut(c);
        return;
    }
    conn_enter(c, c->state); // the next window
    c->n_taken_bytes = taken_bytes(c);
}

static void check_reply(struct conn *c, uint64_t now_ms)
{
    const struct http_server *s = c->server;

    if (s->is_draining && now_ms - s->drained_at_ms > DRAIN_REPLY_MS) {
        conn_cut(c);
        return;
    }
    check_output_rate(c, now_ms - c->since_ms);
}

// Data that waits now may not have waited when the window began.
static void check_stream(struct conn *c, uint64_t age_ms)
{
    budget_count(c);
    if (has_output(c)) {
        check_output_rate(c, age_ms);
    } else {
        c->n_taken_bytes = UINT64_MAX;
    }
}

// A client that has shut down its side, or sent more than is read before its
// answer, may have gone, or may still read. If it has gone, it refuses what it is
// sent, and the next send fails. A client must accept any number of "100 Continue"
// (RFC 9110, 15.2); HTTP/1.0 does not have it.
static void probe_client(struct conn *c, uint64_t now_ms)
{
    static char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    uv_buf_t out = uv_buf_init(go_on, sizeof(go_on) - 1);
    int n;

    if ((!c->is_at_end && c->is_reading) || c->on_gone == NULL ||
        c->parser.http_minor == 0 || now_ms - c->asked_at_ms < QUERY_MS)
        return;
    c->asked_at_ms = now_ms;
    n = stream_try_write(&c->stream, &out);
    if (n != (int)out.len && n != UV_EAGAIN)
        conn_close(c);
}

static void check_time_limits(struct conn *c, uint64_t now_ms)
{
    uint64_t age_ms = now_ms - c->since_ms;

    switch (c->state) {
    case CONN_SHAKING:
        check_handshake(c, age_ms);
        break;
    case CONN_IDLE:
        check_idle(c, age_ms);
        break;
    case CONN_HEADER:
        check_header_time(c, age_ms);
        break;
    case CONN_BODY:
        check_body_rate(c, age_ms);
        break;
    case CONN_REPLYING:
    case CONN_ENDING:
        check_reply(c, now_ms);
        break;
    case CONN_STREAM:
        check_stream(c, age_ms);
        break;
    case CONN_LINGER:
        if (age_ms >= LINGER_MS)
            conn_close(c);
        break;
    case CONN_WORK:
        probe_client(c, now_ms);
        break;
    case CONN_HELD: // release_held() does
    case CONN_CLOSED:
        break;
    }
}

// Calls on_gone of streams whose clients had gone before the stream began.
static void tell_streams(struct http_server *s)
{
    struct conn *c = conn_list_first(s, CONN_LIST_GONE);

    while (c != NULL) {
        void (*on_gone)(struct http_request *) = c->on_gone;

        if (c->is_gone && on_gone != NULL) {
            c->on_gone = NULL;
            on_gone(&c->request);
            c = conn_list_first(
                s, CONN_LIST_GONE); // on_gone may have ended others
        } else {
            c = conn_list_next(c);
        }
    }
}

// Later connections have waited for a shorter time.
static void release_held(struct http_server *s)
{
    enum alone became = ALONE_HANDED;

    while (s->held.first != NULL && became != ALONE_HELD) {
        struct conn *c = LIST_FIRST(&s->held, struct conn, held);

        became = alone_try_again(c);
        if (became == ALONE_REFUSED) {
            reply_fault(c, 500, HTTP_REFUSED_BYTES);
        } else if (became == ALONE_TOO_LATE) {
            reply_fault(c, HTTP_REFUSED_STATUS,
                        "a request that must be processed alone is in "
                        "progress; try again");
        }
    }
}

static void on_tick(uv_timer_t *ticker)
{
    struct http_server *s = ticker->data;
    uint64_t now_ms = uv_now(s->loop);

    for (int list = 0; list < CONN_LIST_GONE; list++) {
        struct conn *next;

        for (struct conn *c = conn_list_first(s, (enum conn_list)list);
             c != NULL; c = next) {
            next = conn_list_next(
                c); // it is freed later, but it may change its list
            if (!c->is_tcp_closed)
                check_time_limits(c, now_ms);
        }
    }
    stream_hub_tick(s->streams);
    if (!s->is_draining)
        greetings_tick(s->greetings, s->limits.header_timeout_ms);
    tell_streams(s);
    release_held(s);
    accept_resume(s);
}

// --- draining ---

static void on_handle_closed(uv_handle_t *handle)
{
    struct http_server *s = handle->data;

    if (--s->n_handles == 0 && s->drain_done != NULL)
        s->drain_done(s->drain_data); // last: it may free the server
}

static void check_drained(struct http_server *s)
{
    if (!s->is_draining || s->n_conns > 0 ||
        uv_is_closing((uv_handle_t *)&s->ticker))
        return;
    uv_close((uv_handle_t *)&s->ticker, on_handle_closed);
    uv_close((uv_handle_t *)&s->turner, on_handle_closed);
    stream_hub_close(s->streams, on_handle_closed, s);
}

void http_server_drain(struct http_server *s, void (*done)(void *data),
                       void *data)
{
    struct conn *next;

    assert(!s->is_draining);
    s->is_draining = true;
    s->drained_at_ms = uv_now(s->loop);
    s->drain_done = done;
    s->drain_data = data;
    accept_stop(s, on_handle_closed);
    for (struct conn *c = conn_list_first(s, CONN_LIST_WAITING); c != NULL;
         c = next) {
        next = conn_list_next(c);
        if (c->state == CONN_SHAKING ||
            (c->state == CONN_IDLE && !c->waits_for_turn))
            conn_close(c);
    }
    for (struct conn *c = conn_list_first(s, CONN_LIST_BUSY); c != NULL;
         c = next) {
        next = conn_list_next(c);
        if (c->state == CONN_STREAM) // it would go on for ever
            conn_close(c);
    }
    check_drained(s);
}

void http_server_free(struct http_server *s)
{
    assert(s->n_handles == 0);
    hash_map_clear(&s->peers);
    hash_map_clear(&s->accounts);
    shares_clear(&s->holders);
    stream_hub_free(s->streams);
    free(s->read_buffer);
    buf_clear(&s->piece);
    free(s);
}

// --- the server ---

struct http_limits http_limits_of(const struct config *config,
                                  size_t max_body_bytes)
{
    struct share_limit held = cap_limit(config, CAP_BUFFERED);
    struct http_limits limits = http_default_limits;

    limits.max_body_bytes = max_body_bytes;
    limits.max_buffered_bytes = held.whole;
    limits.max_account_bytes = held.of_one;
    limits.reserve_bytes = held.reserve;
    limits.max_connections = (unsigned)config->max_connections;
    limits.max_per_address = (unsigned)config->max_connections_per_address;
    limits.max_handshakes_per_s = (unsigned)config->max_handshakes_per_address;
    limits.proxies = &config->trusted_proxies;
    limits.proxy_peers = &config->cluster_nodes;
    return limits;
}

void http_server_set_tls(struct http_server *s, struct tls_server *tls)
{
    stream_hub_set_tls(s->streams, tls);
}

bool http_server_load_tls(struct http_server *s, int fd)
{
    struct tls_server *tls = NULL;
    struct buf why;
    enum err err;

    buf_init(&why, 0);
    err = tls_bundle_load(fd, &tls, &why);
    if (err == OK) {
        metrics_gauge(GAUGE_CERTIFICATE_EXPIRES, tls_server_expires_at_s(tls));
        http_server_set_tls(s, tls);
    } else {
        log_warn(
            "a certificate cannot be used", "reason=%s",
            log_quote(why.n_bytes > 0 ? buf_str(&why) : str_of(err_str(err))));
    }
    buf_clear(&why);
    return err == OK;
}

void http_server_first_tls(struct http_server *s, int fd)
{
    if (fd < 0)
        return;
    if (!http_server_load_tls(s, fd))
        log_fatal("the listener cannot speak TLS", "");
    close(fd);
}

struct http_figures http_server_figures(const struct http_server *s)
{
    struct stream_hub_figures streams = stream_hub_figures(s->streams);
    struct http_figures f = s->figures;

    f.n_handshakes = streams.n_handshakes;
    f.n_resumed = streams.n_resumed;
    f.n_failed_handshakes = streams.n_failed;
    return f;
}

void http_note_figures(const struct http_server *s, struct http_figures *noted)
{
    struct http_figures f = http_server_figures(s);

    metrics_gauge(GAUGE_HTTP_CONNECTIONS, f.n_connections);
    metrics_gauge(GAUGE_HTTP_BUFFERED_BYTES, (int64_t)f.n_buffered_bytes);
    metrics_gauge(GAUGE_HTTP_OUTPUT_BYTES, (int64_t)f.n_output_bytes);
    metrics_count(COUNTER_HTTP_REQUESTS, f.n_requests - noted->n_requests);
    metrics_count(COUNTER_LISTENER_FULL,
                  f.n_handshakes - f.n_resumed -
                      (noted->n_handshakes - noted->n_resumed));
    metrics_count(COUNTER_LISTENER_RESUMED, f.n_resumed - noted->n_resumed);
    metrics_count(COUNTER_LISTENER_FAILED,
                  f.n_failed_handshakes - noted->n_failed_handshakes);
    *noted = f;
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
    s->events = (struct conn_events){
        .on_read = conn_on_read,
        .on_turn = conn_go_on,
        .on_reply_done = conn_next,
        .on_descriptor_free = accept_resume,
        .on_last_freed = check_drained,
    };
    parse_settings(&s->settings);
    err = accept_start(s);
    if (err != OK) {
        free(s);
        return err;
    }
    s->streams =
        stream_hub_new(loop, limits->max_handshakes_per_s, conn_on_shaken);
    s->read_buffer = xmalloc(HTTP_READ_BYTES);
    uv_timer_init(loop, &s->ticker);
    s->ticker.data = s;
    uv_timer_start(&s->ticker, on_tick, TICK_MS, TICK_MS);
    turn_init(s);
    buf_init(&s->piece, 0);
    s->n_handles = 4; // ticker, turner, listener and the hub's
    *out = s;
    return OK;
}
