// SPDX-License-Identifier: MIT
// connection.c — connections of HTTP/1.1, and which of them are kept.
//
// libcurl makes a connection: it resolves the name, tries the addresses, and speaks TLS.
// Then it is taken over here. Without TLS, only the socket is: libcurl lets go of it. With
// TLS, libcurl encrypts what is sent on it, so the connection keeps the handle; and since
// a libcurl that makes connections looks at those it has, and may close what something
// came on, it has a lane of its own.
//
// A connection carries one request at a time; between two it is idle and kept for its
// origin, for a minute, the last used one first. What comes on an idle connection ends
// it: nothing is due there.

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/codec.h"
#include "common/base/mem.h"
#include "common/log/log.h"
#include "engine/sender/private.h"

#define HASH_SEED      5
#define IDLE_READS_MAX 16 // of TLS alone: then the receiver only costs time
#define S_US           INT64_C(1000000)

struct origin {
    struct hash_node node;
    struct list idle;     // the last used one first
    size_t n_connections; // idle or not
    size_t n_bytes;
    char name[]; // "https://host:port", as in the URL
};

static struct origin *origin_find(const struct transfers *ts, struct str name)
{
    struct hash_node *n =
        hash_map_find(&ts->origins, hash_here(name, HASH_SEED));

    for (; n != NULL; n = hash_map_same(n)) {
        struct origin *o = HASH_OBJECT(n, struct origin, node);

        if (str_eq((struct str){ o->name, o->n_bytes }, name))
            return o;
    }
    return NULL;
}

static struct origin *origin_add(struct transfers *ts, struct str name)
{
    struct origin *o = origin_find(ts, name);

    if (o != NULL)
        return o;
    o = xcalloc(1, sizeof(*o) + name.n_bytes);
    o->n_bytes = name.n_bytes;
    memcpy(o->name, name.at, name.n_bytes);
    hash_map_add(&ts->origins, &o->node, hash_here(name, HASH_SEED));
    return o;
}

static void origin_leave(struct transfers *ts, struct origin *o)
{
    if (--o->n_connections > 0)
        return;
    hash_map_remove(&ts->origins, &o->node);
    free(o);
}

// --- bytes ---

ssize_t connection_send(struct connection *c, const char *at, size_t n_bytes)
{
    size_t n_sent = 0;
    CURLcode code;

    if (c->easy == NULL)
        return sendto(c->fd, at, n_bytes, MSG_NOSIGNAL | MSG_DONTWAIT, NULL, 0);
    code = curl_easy_send(c->easy, at, n_bytes, &n_sent);
    if (code == CURLE_OK)
        return (ssize_t)n_sent;
    errno = code == CURLE_AGAIN ? EAGAIN : EPIPE;
    return -1;
}

static ssize_t receive_tls(struct connection *c, char *room, size_t n_bytes)
{
    size_t n_received = 0;
    CURLcode code = curl_easy_recv(c->easy, room, n_bytes, &n_received);

    if (code == CURLE_OK)
        return (ssize_t)n_received;
    errno = code == CURLE_AGAIN ? EAGAIN : EPROTO;
    return -1;
}

ssize_t connection_receive(struct connection *c, char *room, size_t n_bytes)
{
    ssize_t n = c->easy != NULL
                    ? receive_tls(c, room, n_bytes)
                    : recvfrom(c->fd, room, n_bytes, MSG_DONTWAIT, NULL, NULL);

    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        c->owner->ending.has_closed = true;
    return n;
}

void connection_turn(struct connection *c)
{
    turn_begin(c->lane != NULL ? c->lane : c->owner->common, c->fd);
}

// --- the life of one ---

static void leave_idle(struct connection *c)
{
    list_remove(&c->origin->idle, &c->node);
    list_remove(&c->owner->idle, &c->by_age);
    c->owner->n_idle--;
    c->is_idle = false;
}

static void on_poll_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void connection_close(struct connection *c)
{
    if (c->is_idle)
        leave_idle(c);
    origin_leave(c->owner, c->origin);
    uv_close((uv_handle_t *)&c->poll, on_poll_closed);
    if (c->easy != NULL) { // libcurl says goodbye, and closes the socket
        curl_multi_remove_handle(c->lane->multi, c->easy);
        curl_easy_cleanup(c->easy);
        lane_unwatch(c->lane);
    } else {
        close(c->fd);
    }
}

// Whether nothing has come on an idle connection, or only what is of TLS alone, such as a
// ticket for a later session. It is not the connection of this turn: what is seen of its
// end says nothing about others.
static bool is_quiet(struct connection *c)
{
    struct ending of_turn = c->owner->ending;
    char byte;
    ssize_t n = c->easy != NULL ? receive_tls(c, &byte, 1)
                                : recvfrom(c->fd, &byte, 1,
                                           MSG_PEEK | MSG_DONTWAIT, NULL, NULL);
    bool is_so = n < 0 && errno == EAGAIN;

    c->owner->ending = of_turn;
    return is_so;
}

// After an error, libuv has stopped the handle.
static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct connection *c = poll->data;

    connection_turn(c);
    if (status < 0) {
        c->armed = 0;
        events = UV_READABLE;
    }
    if (c->is_idle) {
        if (status < 0 || ++c->n_idle_reads > IDLE_READS_MAX || !is_quiet(c))
            connection_close(c);
        return;
    }
    // What came before an error is read first; the error is found by the next read.
    if (status < 0)
        connection_arm(c, UV_READABLE);
    c->owner->ready(c->transfer, events);
}

void connection_arm(struct connection *c, int events)
{
    if (events == c->armed)
        return;
    c->armed = events;
    uv_poll_start(&c->poll, events, on_poll);
}

// The connection's socket, without TLS a descriptor of its own: libcurl closes its own
// one, perhaps later. False: there is none; `is_ours` says whether that is our fault.
static bool take_socket(struct transfer *t, struct connection *c)
{
    curl_socket_t fd = CURL_SOCKET_BAD;

    curl_easy_getinfo(t->easy, CURLINFO_ACTIVESOCKET, &fd);
    if (fd == CURL_SOCKET_BAD)
        return false;
    c->fd = fd;
    if (is_tls(t)) {
        transfer_new_socket(t->owner, fd); // libcurl waits for nothing on it
        return true;
    }
    c->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (c->fd < 0) {
        t->is_ours = errno == EMFILE || errno == ENFILE;
        return false;
    }
    transfer_new_socket(t->owner, c->fd);
    return true;
}

struct connection *connection_open(struct transfer *t)
{
    struct transfers *ts = t->owner;
    struct connection *c = xcalloc(1, sizeof(*c));

    if (!take_socket(t, c)) {
        free(c);
        return NULL;
    }
    if (is_tls(t)) {
        c->easy = t->easy;
        c->lane = t->lane;
        t->easy = NULL;
    } else {
        curl_multi_remove_handle(t->lane->multi, t->easy);
    }
    t->lane = ts->common;
    c->peer = t->peer;
    c->is_self = t->is_self;
    c->owner = ts;
    c->made_at_us = clock_mono_us();
    if (uv_poll_init_socket(ts->loop, &c->poll, c->fd) != 0)
        log_panic("a socket cannot be added to the event loop", "fd=%d", c->fd);
    c->poll.data = c;
    c->origin = origin_add(ts, endpoint_name(str_of(t->copy.at)));
    c->origin->n_connections++;
    return c;
}

// --- those that are kept ---

void connection_keep(struct connection *c)
{
    struct transfers *ts = c->owner;

    if (ts->n_idle >= (size_t)ts->config->max_inflight * 2)
        connection_close(LIST_FIRST(&ts->idle, struct connection, by_age));
    c->is_idle = true;
    c->transfer = NULL;
    c->n_idle_reads = 0;
    if (c->easy != NULL)
        SET(c->easy, CURLOPT_ERRORBUFFER, NULL); // it is the transfer's
    c->idle_since_us = clock_mono_us();
    list_push_front(&c->origin->idle, &c->node);
    list_push(&ts->idle, &c->by_age);
    ts->n_idle++;
    connection_arm(c, UV_READABLE);
}

static bool is_old(const struct connection *c, int64_t now_us)
{
    return now_us - c->idle_since_us > CONNECTION_IDLE_S * S_US ||
           now_us - c->made_at_us > CONNECTION_LIFE_S * S_US;
}

struct connection *connection_take(struct transfers *ts, struct str origin)
{
    struct origin *o = origin_find(ts, origin);
    struct connection *c =
        o != NULL ? LIST_FIRST(&o->idle, struct connection, node) : NULL;

    if (c == NULL)
        return NULL;
    // What came on it in the meantime would be taken for the next response.
    if (is_old(c, clock_mono_us()) || !is_quiet(c)) {
        connection_close(c);
        return connection_take(ts, origin); // the next one
    }
    leave_idle(c);
    return c;
}

void connections_look(struct transfers *ts, int64_t now_us)
{
    struct connection *c;

    while ((c = LIST_FIRST(&ts->idle, struct connection, by_age)) != NULL &&
           now_us - c->idle_since_us > CONNECTION_IDLE_S * S_US)
        connection_close(c);
}
