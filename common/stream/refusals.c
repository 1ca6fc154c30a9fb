// SPDX-License-Identifier: MIT
// refusals.c — connections that get 503, or an alert of TLS, and are closed.

#include "common/stream/refusals.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/list.h"
#include "common/base/mem.h"
#include "common/encoding/json_writer.h"
#include "common/stream/tls_server.h"

#define REFUSALS_MAX 64
#define VISIT_US     INT64_C(5000000)
#define READ_BYTES   ((size_t)64 * 1024)

struct visitor {
    struct list_node node;
    struct refusals *host;
    uv_poll_t poll;
    int fd;
    int64_t until_us;
    const char *why;
    bool speaks_tls;
    bool is_answered;
};

struct refusals {
    struct refusals_owner owner;
    uv_loop_t *loop;
    struct list visitors;
    unsigned n_visitors;
};

static void on_visitor_closed(uv_handle_t *handle)
{
    struct visitor *v = handle->data;

    close(v->fd);
    free(v);
}

static void dismiss(struct visitor *v)
{
    struct refusals *r = v->host;

    list_remove(&r->visitors, &v->node);
    r->n_visitors--;
    uv_close((uv_handle_t *)&v->poll, on_visitor_closed);
    r->owner.on_left(r->owner.data);
}

// What is sent are the first bytes on this socket: its buffer has room for them.
static void answer(struct visitor *v)
{
    const struct refusals_owner *owner = &v->host->owner;
    struct buf out;

    v->is_answered = true;
    buf_init(&out, 0);
    if (v->speaks_tls) {
        buf_put(&out, tls_refusal, TLS_REFUSAL_BYTES);
    } else {
        owner->put_answer(owner->data, v->why, &out);
    }
    (void)!send(v->fd, out.at, out.n_bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
    shutdown(v->fd, SHUT_WR);
    buf_clear(&out);
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

struct refusals *refusals_new(uv_loop_t *loop,
                              const struct refusals_owner *owner)
{
    struct refusals *r = xcalloc(1, sizeof(*r));

    r->loop = loop;
    r->owner = *owner;
    return r;
}

bool refusals_are_full(const struct refusals *r)
{
    return r->n_visitors >= REFUSALS_MAX;
}

bool refusals_are_none(const struct refusals *r)
{
    return r->n_visitors == 0;
}

void refusals_add(struct refusals *r, int fd, bool speaks_tls, const char *why)
{
    struct visitor *v = xcalloc(1, sizeof(*v));

    if (refusals_are_full(r) || uv_poll_init(r->loop, &v->poll, fd) != 0) {
        close(fd);
        free(v);
        return;
    }
    v->host = r;
    v->fd = fd;
    v->until_us = clock_mono_us() + VISIT_US;
    v->why = why;
    v->speaks_tls = speaks_tls;
    v->poll.data = v;
    list_push(&r->visitors, &v->node);
    r->n_visitors++;
    uv_poll_start(&v->poll, UV_READABLE, on_visitor);
}

void refusals_tick(struct refusals *r)
{
    int64_t now_us = clock_mono_us();
    struct visitor *next;

    for (struct visitor *v = LIST_FIRST(&r->visitors, struct visitor, node);
         v != NULL; v = next) {
        next = LIST_NEXT(v, struct visitor, node);
        if (now_us > v->until_us)
            dismiss(v);
    }
}

static void put_body(struct buf *out, const char *name, struct str why)
{
    struct json_writer w = json_writer(out);
    struct buf message;

    buf_init(&message, 0);
    buf_printf(&message, "Service Unavailable: %s %.*s; try again later", name,
               STR_ARG(why));
    json_open_object(&w, NULL);
    json_put_u64(&w, "code", 503);
    json_put_str(&w, "message", buf_str(&message));
    json_put_text(&w, "status", "not ready");
    json_open_array(&w, "waitingFor");
    json_put_text(&w, NULL, name);
    json_close(&w);
    json_open_object(&w, "reasons");
    json_put_str(&w, name, why);
    json_close(&w);
    json_close(&w);
    buf_putc(out, '\n');
    buf_clear(&message);
}

void refusal_put(struct buf *out, const char *name, struct str why,
                 unsigned retry_after_s)
{
    struct buf body;

    buf_init(&body, 0);
    put_body(&body, name, why);
    buf_printf(out,
               "HTTP/1.1 503 Service Unavailable\r\n"
               "Content-Type: application/json\r\nContent-Length: %zu\r\n"
               "Retry-After: %u\r\nConnection: close\r\n\r\n%.*s",
               body.n_bytes, retry_after_s, STR_ARG(buf_str(&body)));
    buf_clear(&body);
}
