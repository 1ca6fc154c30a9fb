// SPDX-License-Identifier: MIT
// greetings.c — connections that may begin with a PROXY header, until that is read.

#include "common/stream/greetings.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/list.h"
#include "common/base/mem.h"
#include "common/log/log.h"
#include "common/stream/proxy_header.h"

#define WAITING_MAX 1024 // peers send the header at once: these are few

struct greeter {
    struct list_node node;
    struct greetings *host;
    uv_poll_t poll;
    int fd;
    uint64_t since_ms; // loop time
    struct sockaddr_storage from;
};

struct greetings {
    uv_loop_t *loop;
    greetings_cb on_greeted;
    void *data;
    struct list greeters;
    unsigned n_greeters;
};

static void on_poll_closed(uv_handle_t *handle)
{
    free(handle->data);
}

// Stops waiting for it; its descriptor is the caller's.
static int release(struct greeter *v)
{
    list_remove(&v->host->greeters, &v->node);
    v->host->n_greeters--;
    uv_close((uv_handle_t *)&v->poll, on_poll_closed);
    return v->fd;
}

// Wakes the poll when there are at least this many bytes.
static void wait_for_bytes(int fd, size_t n_bytes)
{
    int n = (int)n_bytes;

    (void)setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &n, sizeof(n));
}

static void hand_on(struct greeter *v, const struct sockaddr_storage *from)
{
    const struct greetings *g = v->host;
    int fd = release(v); // `v` lives until the next turn

    wait_for_bytes(fd, 1);
    g->on_greeted(g->data, fd, from);
}

static void refuse(struct greeter *v)
{
    log_debug("a connection with a bad PROXY header was closed", "");
    close(release(v));
}

static void look(struct greeter *v, struct str bytes, bool has_ended)
{
    char taken[PROXY_HEADER_MAX_BYTES];
    struct sockaddr_storage client;
    size_t n_bytes;

    switch (proxy_header_read(bytes, &n_bytes, &client)) {
    case PROXY_HEADER_NONE:
        hand_on(v, &v->from);
        return;
    case PROXY_HEADER_PART:
        if (has_ended) {
            hand_on(v, &v->from); // which will find the end
        } else {
            wait_for_bytes(v->fd, n_bytes);
        }
        return;
    case PROXY_HEADER_WHOLE:
        if (recv(v->fd, taken, n_bytes, 0) == (ssize_t)n_bytes) {
            hand_on(v, client.ss_family != AF_UNSPEC ? &client : &v->from);
            return;
        }
        break;
    case PROXY_HEADER_BAD:
        break;
    }
    refuse(v);
}

static void on_bytes(uv_poll_t *poll, int status, int events)
{
    struct greeter *v = poll->data;
    char bytes[PROXY_HEADER_MAX_BYTES];
    ssize_t n = recv(v->fd, bytes, sizeof(bytes), MSG_PEEK);
    bool has_ended = status < 0 || (events & UV_DISCONNECT) != 0 || n == 0;

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n < 0) {
        close(release(v)); // it has gone
    } else {
        look(v, (struct str){ bytes, (size_t)n }, has_ended);
    }
}

struct greetings *greetings_new(uv_loop_t *loop, greetings_cb on_greeted,
                                void *data)
{
    struct greetings *g = xcalloc(1, sizeof(*g));

    g->loop = loop;
    g->on_greeted = on_greeted;
    g->data = data;
    return g;
}

void greetings_add(struct greetings *g, int fd,
                   const struct sockaddr_storage *from)
{
    struct greeter *v = xcalloc(1, sizeof(*v));

    if (g->n_greeters == WAITING_MAX ||
        uv_poll_init(g->loop, &v->poll, fd) != 0) {
        close(fd);
        free(v);
        return;
    }
    v->host = g;
    v->fd = fd;
    v->since_ms = uv_now(g->loop);
    v->from = *from;
    v->poll.data = v;
    list_push(&g->greeters, &v->node);
    g->n_greeters++;
    uv_poll_start(&v->poll, UV_READABLE | UV_DISCONNECT, on_bytes);
}

void greetings_tick(struct greetings *g, uint64_t max_age_ms)
{
    struct greeter *v;

    while ((v = LIST_FIRST(&g->greeters, struct greeter, node)) != NULL &&
           uv_now(g->loop) - v->since_ms > max_age_ms)
        close(release(v));
}

void greetings_free(struct greetings *g)
{
    struct greeter *v;

    while ((v = LIST_FIRST(&g->greeters, struct greeter, node)) != NULL)
        close(release(v));
    free(g);
}
