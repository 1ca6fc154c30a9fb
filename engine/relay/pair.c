// SPDX-License-Identifier: MIT
// pair.c — a client's connection and one to the lead node, joined.
//
// An idle pair has no buffers: what is read goes through one buffer of the process, and
// only what the other side does not take at once is copied, and waits in that side's
// queue.

#include "engine/relay/pair.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/buf.h"
#include "common/base/mem.h"

#define READ_BYTES          ((size_t)64 * 1024)
#define QUEUE_BYTES         ((size_t)256 * 1024) // beyond, the other side waits
#define KERNEL_UNSENT_BYTES (128 * 1024)         // as the HTTP server has it
#define CONNECT_MS          3000
// Together about 30 s until a peer that does not answer counts as gone.
#define PROBE_AFTER_S 15
#define PROBE_EVERY_S 5
#define PROBES        3
// Bytes that the peer does not acknowledge, or does not take.
#define NO_PROGRESS_MS 30000
// How long a client has to take what the lead has said last, at no less than the 1 KiB/s
// that the HTTP server asks for; and then, to end its own direction.
#define FLUSH_MS    300000
#define FAREWELL_MS 30000
#define LINGER_MS   5000 // after the lead's connection is broken

struct side {
    uv_tcp_t tcp;
    uv_shutdown_t shutdown;
    struct pair *pair;
    struct side *other;
    bool is_reading;
    bool is_at_end; // it has ended its direction
    bool is_shut; // nothing more will be written to it, and its queue is empty
};

struct pair {
    struct side client, lead;
    uv_connect_t connect;
    uv_timer_t timer;
    const struct pair_events *events;
    void *data;
    struct buf greeting;
    int client_fd;       // until the lead is reached, then -1
    unsigned n_open;     // handles that are open or closing
    struct side *broken; // NULL: none; else the other one is served to its end
    bool is_closing;
    bool is_answered;   // the lead spoke last
    uint64_t spoken_ms; // uv_now(): when somebody spoke last
    struct pair_list *list;
    struct pair *next, *before; // in it
};

// Bytes that wait for a side.
struct piece {
    uv_write_t write;
    char bytes[];
};

static uv_stream_t *stream_of(struct side *s)
{
    return (uv_stream_t *)&s->tcp;
}

// --- the end ---

static void handle_closed(struct pair *p)
{
    if (--p->n_open > 0)
        return;
    p->events->on_ended(p->data);
    buf_clear(&p->greeting);
    free(p);
}

static void on_timer_closed(uv_handle_t *handle)
{
    handle_closed(handle->data);
}

static void on_side_closed(uv_handle_t *handle)
{
    const struct side *s = handle->data;

    handle_closed(s->pair);
}

static void leave_list(struct pair *p)
{
    if (p->before != NULL) {
        p->before->next = p->next;
    } else {
        p->list->first = p->next;
    }
    if (p->next != NULL)
        p->next->before = p->before;
}

static void close_pair(struct pair *p)
{
    p->is_closing = true;
    leave_list(p);
    uv_close((uv_handle_t *)&p->timer, on_timer_closed);
    uv_close((uv_handle_t *)&p->lead.tcp, on_side_closed);
    uv_close((uv_handle_t *)&p->client.tcp, on_side_closed);
}

// Closing this side will tell its peer that something is missing.
static void reset_at_close(struct side *s)
{
    const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
    int fd;

    if (uv_fileno((uv_handle_t *)&s->tcp, &fd) == 0) {
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    }
}

static void end_if_done(struct pair *p)
{
    if (p->client.is_at_end && p->client.is_shut && p->lead.is_at_end &&
        p->lead.is_shut)
        close_pair(p);
}

static void on_timer(uv_timer_t *timer);

// Limits what is left to do once the lead has ended its direction, or a side is broken.
static void set_timer(struct pair *p)
{
    const struct side *left = p->broken != NULL ? p->broken->other : &p->client;
    uint64_t wait_ms = p->broken != NULL ? LINGER_MS : FAREWELL_MS;

    if (p->broken == NULL && !p->lead.is_at_end)
        return;
    uv_timer_start(&p->timer, on_timer, left->is_shut ? wait_ms : FLUSH_MS, 0);
}

static void start_reading(struct side *s);

// The connection of a side is broken.
static void fail(struct side *s)
{
    struct pair *p = s->pair;

    if (p->is_closing || p->broken == s)
        return;
    if (!s->is_at_end || p->broken != NULL) {
        reset_at_close(s->other);
        close_pair(p);
        return;
    }
    p->broken = s;
    s->is_shut = true;
    start_reading(s->other);
    set_timer(p);
    end_if_done(p);
}

// --- bytes ---

static void on_written(uv_write_t *write, int status)
{
    struct side *s = write->data;

    free(write); // the piece begins with it
    if (s->pair->is_closing)
        return;
    if (status < 0) {
        fail(s);
    } else if (uv_stream_get_write_queue_size(stream_of(s)) <= QUEUE_BYTES) {
        start_reading(s->other);
    }
}

// What a broken side would get is thrown away.
static void pass_on(struct side *from, char *bytes, size_t n_bytes)
{
    struct side *to = from->other;
    uv_buf_t rest = { .base = bytes, .len = n_bytes };
    int n_taken = to->pair->broken == to
                      ? (int)n_bytes
                      : uv_try_write(stream_of(to), &rest, 1);
    struct piece *piece;

    if (n_taken < 0 && n_taken != UV_EAGAIN) {
        fail(to);
        return;
    }
    if (n_taken == (int)n_bytes)
        return;
    n_bytes -= (size_t)(n_taken > 0 ? n_taken : 0);
    bytes += n_taken > 0 ? n_taken : 0;
    piece = xmalloc(sizeof(*piece) + n_bytes);
    memcpy(piece->bytes, bytes, n_bytes);
    piece->write.data = to;
    rest = uv_buf_init(piece->bytes, (unsigned)n_bytes);
    if (uv_write(&piece->write, stream_of(to), &rest, 1, on_written) != 0) {
        free(piece);
        fail(to);
    } else if (uv_stream_get_write_queue_size(stream_of(to)) > QUEUE_BYTES) {
        uv_read_stop(stream_of(from));
        from->is_reading = false;
    }
}

static void on_shut(uv_shutdown_t *shutdown, int status)
{
    struct side *s = shutdown->data;

    if (s->pair->is_closing)
        return;
    if (status < 0) {
        fail(s);
        return;
    }
    s->is_shut = true;
    set_timer(s->pair);
    end_if_done(s->pair);
}

static void pass_end(struct side *from)
{
    struct side *to = from->other;

    from->is_reading = false;
    from->is_at_end = true;
    if (to->is_shut) { // it is broken
        end_if_done(to->pair);
        return;
    }
    to->shutdown.data = to;
    if (uv_shutdown(&to->shutdown, stream_of(to), on_shut) != 0) {
        fail(to);
    } else {
        set_timer(to->pair);
    }
}

static void on_room(uv_handle_t *handle, size_t wanted, uv_buf_t *out)
{
    static char room[READ_BYTES]; // what is in it does not outlive on_read()

    (void)handle;
    (void)wanted;
    *out = uv_buf_init(room, sizeof(room));
}

// libuv reports an end, too, when a reset comes right after bytes.
static bool was_reset(const struct side *s)
{
    int error = 0;
    socklen_t n_bytes = sizeof(error);
    int fd;

    return uv_fileno((const uv_handle_t *)&s->tcp, &fd) != 0 ||
           getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n_bytes) != 0 ||
           error != 0;
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *bytes)
{
    struct side *s = stream->data;

    if (n > 0) {
        s->pair->is_answered = s == &s->pair->lead;
        s->pair->spoken_ms = uv_now(s->tcp.loop);
        pass_on(s, bytes->base, (size_t)n);
    } else if (n == UV_EOF && !was_reset(s)) {
        uv_read_stop(stream);
        pass_end(s);
    } else if (n < 0) {
        fail(s);
    }
}

static void start_reading(struct side *s)
{
    if (s->is_reading || s->is_at_end)
        return;
    s->is_reading = true;
    if (uv_read_start(stream_of(s), on_room, on_read) != 0)
        fail(s);
}

// --- the start ---

// Best effort: without an option a pair only lives longer than it should.
static void set_options(struct side *s)
{
    static const struct {
        int level, name, value;
    } options[] = {
        { IPPROTO_TCP, TCP_NODELAY, 1 },
        { SOL_SOCKET, SO_KEEPALIVE, 1 },
        { IPPROTO_TCP, TCP_KEEPIDLE, PROBE_AFTER_S },
        { IPPROTO_TCP, TCP_KEEPINTVL, PROBE_EVERY_S },
        { IPPROTO_TCP, TCP_KEEPCNT, PROBES },
        { IPPROTO_TCP, TCP_USER_TIMEOUT, NO_PROGRESS_MS },
        { IPPROTO_TCP, TCP_NOTSENT_LOWAT, KERNEL_UNSENT_BYTES },
    };
    int fd;

    if (uv_fileno((uv_handle_t *)&s->tcp, &fd) != 0)
        return;
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        (void)setsockopt(fd, options[i].level, options[i].name,
                         &options[i].value, sizeof(options[i].value));
    }
}

static void give_up(struct pair *p, const char *why)
{
    int fd = p->client_fd;

    p->client_fd = -1;
    close_pair(p);
    p->events->on_unreached(p->data, fd, why);
}

static void on_timer(uv_timer_t *timer)
{
    struct pair *p = timer->data;

    if (p->client_fd >= 0) {
        give_up(p, "does not answer");
        return;
    }
    if (!p->client.is_shut)
        reset_at_close(&p->client);
    close_pair(p);
}

static void on_connected(uv_connect_t *connect, int status)
{
    struct pair *p = connect->data;

    if (p->is_closing)
        return;
    uv_timer_stop(&p->timer);
    if (status < 0) {
        give_up(p, status == UV_ECONNREFUSED ? "does not accept connections"
                                             : "cannot be reached");
        return;
    }
    if (uv_tcp_open(&p->client.tcp, p->client_fd) != 0) {
        give_up(p, "cannot be joined");
        return;
    }
    p->client_fd = -1;
    set_options(&p->client);
    if (p->greeting.n_bytes > 0)
        pass_on(&p->client, p->greeting.at, p->greeting.n_bytes);
    if (p->is_closing)
        return;
    buf_clear(&p->greeting);
    start_reading(&p->client);
    start_reading(&p->lead);
}

static void init_side(struct side *s, struct pair *p, struct side *other)
{
    s->tcp.data = s;
    s->pair = p;
    s->other = other;
}

static void enter_list(struct pair *p, struct pair_list *list)
{
    p->list = list;
    p->next = list->first;
    if (p->next != NULL)
        p->next->before = p;
    list->first = p;
}

// All but the lead's connection, whose handle may fail.
static void init_handles(struct pair *p, uv_loop_t *loop)
{
    uv_tcp_init(loop, &p->client.tcp);
    uv_timer_init(loop, &p->timer);
    p->timer.data = p;
    init_side(&p->client, p, &p->lead);
    init_side(&p->lead, p, &p->client);
}

enum err pair_start(struct pair_list *list, int client_fd,
                    const struct sockaddr *lead, struct str greeting,
                    const struct pair_events *events, void *data)
{
    struct pair *p = xcalloc(1, sizeof(*p));
    int rc = uv_tcp_init_ex(list->loop, &p->lead.tcp, lead->sa_family);

    if (rc != 0) {
        free(p);
        errno = -rc;
        return ERR_IO;
    }
    init_handles(p, list->loop);
    p->events = events;
    p->data = data;
    p->client_fd = client_fd;
    buf_init(&p->greeting, 0);
    buf_put_str(&p->greeting, greeting);
    p->n_open = 3;
    enter_list(p, list);
    set_options(&p->lead);
    uv_timer_start(&p->timer, on_timer, CONNECT_MS, 0);
    p->connect.data = p;
    rc = uv_tcp_connect(&p->connect, &p->lead.tcp, lead, on_connected);
    if (rc != 0)
        give_up(p, "cannot be reached");
    return OK;
}

static bool is_quiet(const struct pair *p, uint64_t quiet_ms)
{
    return p->is_answered && p->broken == NULL && !p->lead.is_at_end &&
           uv_stream_get_write_queue_size(
               (const uv_stream_t *)&p->client.tcp) == 0 &&
           uv_now(p->client.tcp.loop) - p->spoken_ms >= quiet_ms;
}

void pair_list_end_quiet(struct pair_list *list, uint64_t quiet_ms)
{
    struct pair *next;

    for (struct pair *p = list->first; p != NULL; p = next) {
        next = p->next;
        if (is_quiet(p, quiet_ms))
            close_pair(p);
    }
}
