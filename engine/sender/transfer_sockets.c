// SPDX-License-Identifier: MIT
// transfer_sockets.c — libcurl's sockets and timer on libuv's loop.
//
// Reading comes before writing. A receiver may answer and close before it has read the
// body: a reset that came after the answer makes the next send fail, while the answer
// is still in the socket. libcurl reads nothing more once a send has failed. So libcurl
// is always told that it may read, and a send that fails while there is something to
// read counts as done (send() below).
//
// Poll handles stay registered per socket from one transfer to the next, and are
// removed when libcurl closes the socket. Registering them anew for every transfer, as
// libcurl's example does, costs a third of the throughput.
//
// That holds for connections, which libcurl closes through a callback here. libcurl's
// other sockets (a pair that tells it that a name is resolved) it closes itself, right
// after it stops watching them: their handle is removed at once, or the next socket
// with the same number would meet a handle that the kernel has forgotten.

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/log/log.h"
#include "engine/sender/private.h"

// A socket of libcurl.
struct sock {
    uv_poll_t poll;
    struct transfers *owner;
    int fd;
    int wanted; // UV_READABLE, UV_WRITABLE: what libcurl waits for
    int armed;  // what the poll handle waits for
    bool is_connection;
};

// --- sending ---

// Whether there is something to read. False at the end of the stream, too.
static bool has_unread(int fd)
{
    char byte;

    return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

// libcurl calls this function: a program's own function takes precedence over that of
// the C library. libcurl learns how the connection ended when it reads to the end.
// NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name)
ssize_t send(int fd, const void *at, size_t n_bytes, int flags)
{
    ssize_t n_sent = sendto(fd, at, n_bytes, flags, NULL, 0);
    int reason = errno;

    if (n_sent < 0 && (reason == EPIPE || reason == ECONNRESET) &&
        has_unread(fd))
        n_sent = (ssize_t)n_bytes;
    errno = reason;
    return n_sent;
}

// --- sockets ---

static struct sock *sock_find(const struct transfers *ts, curl_socket_t fd)
{
    return (size_t)fd < ts->n_socks ? ts->socks[fd] : NULL;
}

static void arm(struct sock *s);

// Always tells libcurl to read first; an error will show when it reads or writes.
static int flags_of(int status, int events)
{
    bool may_write = status < 0 || (events & UV_WRITABLE) != 0;

    return CURL_CSELECT_IN | (may_write ? CURL_CSELECT_OUT : 0);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct sock *s = poll->data;
    struct transfers *ts = s->owner;
    curl_socket_t fd = s->fd;
    int n_running;

    if (s->wanted == 0) { // the receiver closed an idle connection
        uv_poll_stop(poll);
        s->armed = 0;
        return;
    }
    if (status < 0)
        s->armed = 0; // libuv has stopped it
    curl_multi_socket_action(ts->multi, fd, flags_of(status, events),
                             &n_running);
    if (status < 0 && sock_find(ts, fd) == s)
        arm(s); // there may be more to read
    ts->reap(ts);
}

static void on_sock_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void sock_drop(struct transfers *ts, struct sock *s)
{
    ts->socks[s->fd] = NULL;
    uv_close((uv_handle_t *)&s->poll, on_sock_closed);
}

static bool is_connection(int fd)
{
    int domain = 0;
    socklen_t n_bytes = sizeof(domain);

    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &n_bytes) == 0 &&
           (domain == AF_INET || domain == AF_INET6);
}

static struct sock *sock_add(struct transfers *ts, curl_socket_t fd)
{
    struct sock *s = xcalloc(1, sizeof(*s));

    if ((size_t)fd >= ts->n_socks) {
        size_t n = (size_t)fd * 2 + 64;

        ts->socks = xrealloc(ts->socks, n * sizeof(struct sock *));
        memset(ts->socks + ts->n_socks, 0,
               (n - ts->n_socks) * sizeof(struct sock *));
        ts->n_socks = n;
    }
    s->owner = ts;
    s->fd = fd;
    s->is_connection = is_connection(fd);
    if (uv_poll_init_socket(ts->loop, &s->poll, fd) != 0)
        log_panic("a socket cannot be added to the event loop", "fd=%d", fd);
    s->poll.data = s;
    ts->socks[fd] = s;
    return s;
}

static void arm(struct sock *s)
{
    // UV_READABLE stays armed between transfers: the next one will wait for it.
    int events = s->wanted == 0 ? s->armed & UV_READABLE : s->wanted;

    if (events == s->armed)
        return;
    s->armed = events;
    if (events == 0) {
        uv_poll_stop(&s->poll);
    } else {
        uv_poll_start(&s->poll, events, on_poll);
    }
}

// CURLMOPT_SOCKETFUNCTION
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *data,
                     void *socket_data)
{
    struct transfers *ts = data;
    struct sock *s = sock_find(ts, fd);

    (void)easy;
    (void)socket_data;
    if (s == NULL) {
        if (what == CURL_POLL_REMOVE)
            return 0;
        s = sock_add(ts, fd);
    }
    if (what == CURL_POLL_REMOVE && !s->is_connection) {
        sock_drop(ts, s);
        return 0;
    }
    s->wanted = 0;
    if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
        s->wanted |= UV_READABLE;
    if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
        s->wanted |= UV_WRITABLE;
    arm(s);
    return 0;
}

// libcurl closes a socket that cannot even begin to connect without a callback: what is
// known of an earlier socket with this number is no longer true.
void transfer_new_socket(struct transfers *ts, curl_socket_t fd)
{
    struct sock *s = sock_find(ts, fd);

    if (s != NULL)
        sock_drop(ts, s);
}

// CURLOPT_CLOSESOCKETFUNCTION
int transfer_close_socket(void *data, curl_socket_t fd)
{
    struct transfers *ts = data;
    struct sock *s = sock_find(ts, fd);

    if (s != NULL)
        sock_drop(ts, s);
    return close(fd);
}

// --- the timer ---

static void on_timer(uv_timer_t *timer)
{
    struct transfers *ts = timer->data;
    int n_running;

    curl_multi_socket_action(ts->multi, CURL_SOCKET_TIMEOUT, 0, &n_running);
    ts->reap(ts);
}

// CURLMOPT_TIMERFUNCTION
static int on_curl_timer(CURLM *multi, long wait_ms, void *data)
{
    struct transfers *ts = data;

    (void)multi;
    if (wait_ms < 0) {
        uv_timer_stop(&ts->timer);
    } else {
        uv_timer_start(&ts->timer, on_timer, (uint64_t)wait_ms, 0);
    }
    return 0;
}

void transfers_watch(struct transfers *ts)
{
    uv_timer_init(ts->loop, &ts->timer);
    ts->timer.data = ts;
    curl_multi_setopt(ts->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(ts->multi, CURLMOPT_SOCKETDATA, ts);
    curl_multi_setopt(ts->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
    curl_multi_setopt(ts->multi, CURLMOPT_TIMERDATA, ts);
}
