// SPDX-License-Identifier: MIT
// stand_in.c — answers for a role that listens and does not answer.
//
// A visitor is a connection that is answered here, once its first bytes have come: an
// answer before the request confuses clients. What else it sends is read and thrown
// away, so that closing the socket does not reset it before the answer is read. The
// bytes are not looked at.

#include "engine/supervisor/stand_in.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/list.h"
#include "common/base/mem.h"
#include "common/encoding/json_writer.h"
#include "common/log/log.h"
#include "common/process/metrics.h"
#include "common/process/pulse.h"
#include "common/stream/tls_server.h"

#define NEEDED_AFTER_US INT64_C(3000000)
#define ASLEEP_US       INT64_C(1000000) // between two checks: we slept
#define VISITORS_MAX    64               // further connections wait
#define VISIT_US        INT64_C(5000000)
#define READ_BYTES      ((size_t)64 * 1024)

struct visitor {
    struct list_node node;
    struct stand_in *host;
    uv_poll_t poll;
    int fd;
    int64_t until_us;
    bool is_answered;
};

struct stand_in {
    const struct child *child;
    uv_loop_t *loop;
    uv_poll_t listener;
    struct list visitors;
    unsigned n_visitors;
    bool is_needed;
    bool is_listening;
    int64_t served_at_us; // when the role last did its work
    int64_t checked_at_us;
};

static void set_listening(struct stand_in *s);

// --- visitors ---

static void on_visitor_closed(uv_handle_t *handle)
{
    struct visitor *v = handle->data;

    close(v->fd);
    free(v);
}

static void dismiss(struct visitor *v)
{
    struct stand_in *s = v->host;

    list_remove(&s->visitors, &v->node);
    s->n_visitors--;
    uv_close((uv_handle_t *)&v->poll, on_visitor_closed);
    set_listening(s);
}

static void put_body(const struct stand_in *s, struct buf *out)
{
    const char *name = metrics_slot_name(s->child->slot);
    struct json_writer w = json_writer(out);
    struct buf why;
    struct buf message;

    buf_init(&why, 0);
    buf_init(&message, 0);
    if (pulse_works(s->child->slot, &why))
        pulse_put_silence(s->child->slot, &why); // too short for /readyz
    buf_printf(&message, "Service Unavailable: %s %.*s; try again later", name,
               STR_ARG(buf_str(&why)));
    json_open_object(&w, NULL);
    json_put_u64(&w, "code", 503);
    json_put_str(&w, "message", buf_str(&message));
    json_put_text(&w, "status", "not ready");
    json_open_array(&w, "waitingFor");
    json_put_text(&w, NULL, name);
    json_close(&w);
    json_open_object(&w, "reasons");
    json_put_str(&w, name, buf_str(&why));
    json_close(&w);
    json_close(&w);
    buf_putc(out, '\n');
    buf_clear(&message);
    buf_clear(&why);
}

static void answer(struct visitor *v)
{
    struct buf body;
    struct buf out;
    ssize_t n;

    v->is_answered = true;
    if (child_speaks_tls(v->host->child)) {
        // No handshake here: it would interpret what strangers send.
        (void)!send(v->fd, tls_refusal, TLS_REFUSAL_BYTES,
                    MSG_NOSIGNAL | MSG_DONTWAIT);
        shutdown(v->fd, SHUT_WR);
        return;
    }
    buf_init(&body, 0);
    buf_init(&out, 0);
    put_body(v->host, &body);
    buf_printf(&out,
               "HTTP/1.1 503 Service Unavailable\r\n"
               "Content-Type: application/json\r\nContent-Length: %zu\r\n"
               "Retry-After: 5\r\nConnection: close\r\n\r\n%.*s",
               body.n_bytes, STR_ARG(buf_str(&body)));
    // These are the first bytes on this socket: its buffer has room for them.
    n = send(v->fd, out.at, out.n_bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)n;
    shutdown(v->fd, SHUT_WR);
    buf_clear(&out);
    buf_clear(&body);
}

static void on_visitor(uv_poll_t *poll, int status, int events)
{
    static char thrown_away[READ_BYTES];
    struct visitor *v = poll->data;
    ssize_t n = status < 0 ? 0 : recv(v->fd, thrown_away, READ_BYTES, 0);

    (void)events;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        dismiss(v);
    } else if (!v->is_answered) {
        answer(v);
    }
}

static void receive(struct stand_in *s, int fd)
{
    struct visitor *v = xcalloc(1, sizeof(*v));

    if (uv_poll_init(s->loop, &v->poll, fd) != 0) {
        close(fd);
        free(v);
        return;
    }
    v->host = s;
    v->fd = fd;
    v->until_us = clock_mono_us() + VISIT_US;
    v->poll.data = v;
    list_push(&s->visitors, &v->node);
    s->n_visitors++;
    uv_poll_start(&v->poll, UV_READABLE, on_visitor);
}

// --- the listener ---

static void stop_listening(struct stand_in *s)
{
    s->is_listening = false;
    uv_poll_stop(&s->listener);
}

static void on_listener(uv_poll_t *poll, int status, int events)
{
    struct stand_in *s = poll->data;

    (void)status;
    (void)events;
    while (s->n_visitors < VISITORS_MAX) {
        int fd = accept4(s->child->listen_fd, NULL, NULL,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd < 0 &&
            (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED))
            return;
        if (fd < 0)
            break; // no descriptor: the next check tries again
        receive(s, fd);
    }
    stop_listening(s);
}

static void set_listening(struct stand_in *s)
{
    bool is_wanted = s->is_needed && s->n_visitors < VISITORS_MAX;

    if (is_wanted == s->is_listening)
        return;
    if (is_wanted) {
        s->is_listening =
            uv_poll_start(&s->listener, UV_READABLE, on_listener) == 0;
    } else {
        stop_listening(s);
    }
}

// --- when it is needed ---

static bool is_needed(struct stand_in *s)
{
    const struct child *c = s->child;
    int64_t now_us = clock_mono_us();
    int64_t since_check_us = now_us - s->checked_at_us;

    s->checked_at_us = now_us;
    if (c->owner->is_ending)
        return !c->is_alive;
    if (since_check_us > ASLEEP_US) { // the role may have slept, too
        s->served_at_us += since_check_us;
        return s->is_needed;
    }
    if (c->is_ready)
        s->served_at_us = now_us - pulse_silent_us(c->slot);
    return now_us - s->served_at_us > NEEDED_AFTER_US;
}

void stand_in_check(struct stand_in *s)
{
    bool was_needed = s->is_needed;
    struct visitor *next;

    s->is_needed = is_needed(s);
    if (s->is_needed != was_needed && !s->child->owner->is_ending) {
        log_warn(
            s->is_needed
                ? "a role does not respond; its clients get 503 until it does"
                : "the role responds again",
            "role=%s", metrics_slot_name(s->child->slot));
    }
    for (struct visitor *v = LIST_FIRST(&s->visitors, struct visitor, node);
         v != NULL; v = next) {
        next = LIST_NEXT(v, struct visitor, node);
        if (clock_mono_us() > v->until_us)
            dismiss(v);
    }
    set_listening(s);
}

struct stand_in *stand_in_new(uv_loop_t *loop, const struct child *c)
{
    struct stand_in *s = xcalloc(1, sizeof(*s));

    s->child = c;
    s->loop = loop;
    s->served_at_us = clock_mono_us();
    s->checked_at_us = s->served_at_us;
    if (uv_poll_init(loop, &s->listener, c->listen_fd) != 0)
        log_fatal("a listening socket cannot be watched", "");
    s->listener.data = s;
    return s;
}
