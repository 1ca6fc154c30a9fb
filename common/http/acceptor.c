// SPDX-License-Identifier: MIT
// acceptor.c — new connections, caps, which connection is closed for a new one.
//
// Why not uv_listen(): when descriptors run out and its own spare one is lost,
// libuv 1.44 loops for ever. Here the listener is polled, and polling pauses until
// a connection closes or the clock ticks.

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/http/client_address.h"
#include "common/http/private.h"
#include "common/log/log.h"

#define BACKLOG             1024
#define ACCEPTS_A_TURN      64 // then other connections get their turn
#define WARN_AGAIN_MS       10000
#define KERNEL_UNSENT_BYTES (128 * 1024) // of an answer: two pieces

// --- caps ---

// Closes a lingering connection; else the one that has waited longest without a
// request in work.
static bool make_room(struct http_server *s, const struct conn *newcomer)
{
    struct conn *c = conn_list_first(s, CONN_LIST_LINGER);

    if (c == NULL)
        c = conn_list_first(s, CONN_LIST_WAITING);
    if (c == NULL || c == newcomer)
        return false;
    s->figures.n_refused++;
    conn_close(c);
    return true;
}

// A handshake only to be refused costs more than an answer is worth.
static void refuse(struct conn *c)
{
    c->server->figures.n_refused++;
    if (c->state == CONN_SHAKING) {
        stream_refuse(&c->stream);
        conn_close(c);
        return;
    }
    reply_fault(c, HTTP_REFUSED_STATUS, HTTP_TOO_MANY);
}

static bool is_full(const struct http_server *s)
{
    return s->figures.n_connections > s->limits.max_connections;
}

static void check_caps(struct conn *c)
{
    struct http_server *s = c->server;
    bool has_room = true;

    if (c->peer->n_connections > s->limits.max_per_address &&
        !conn_is_of_proxy(c) && !conn_make_room_of_peer(c)) {
        // If this address has too many, only lingering connections make room in the
        // table.
        while (is_full(s) && conn_list_first(s, CONN_LIST_LINGER) != NULL)
            conn_close(conn_list_first(s, CONN_LIST_LINGER));
        refuse(c);
        return;
    }
    // A loop, since connections that were refused before linger beyond the cap.
    while (has_room && is_full(s))
        has_room = make_room(s, c);
    if (!has_room) {
        refuse(c);
    } else if (c->state != CONN_SHAKING) {
        conn_start(c);
    }
}

// --- accepting ---

static void welcome(struct http_server *s, int fd,
                    const struct sockaddr_storage *from)
{
    int unsent_bytes = KERNEL_UNSENT_BYTES;
    struct conn *c = conn_new(s);

    s->figures.n_accepted++;
    s->figures.n_connections++;
    c->is_counted = true;
    conn_name_peer(c, from);
    if (uv_tcp_open(&c->stream.tcp, fd) != 0) {
        close(fd);
        conn_close(c);
        return;
    }
    uv_tcp_nodelay(&c->stream.tcp, 1);
    if (stream_hub_has_tls(s->streams)) {
        stream_secure(&c->stream, s->streams, c->address, conn_is_of_proxy(c));
        conn_enter(c, CONN_SHAKING);
    }
    // Limit what the kernel buffers for a client that does not read: that is
    // memory, too.
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent_bytes,
                     sizeof(unsent_bytes));
    check_caps(c);
}

static void on_greeted(void *data, int fd, const struct sockaddr_storage *from)
{
    welcome(data, fd, from);
}

static void receive(struct http_server *s, int fd,
                    const struct sockaddr_storage *from)
{
    uint8_t address[HTTP_ADDRESS_BYTES];

    client_address_of(from, address);
    if (client_address_is_proxy(s->limits.proxy_peers, address)) {
        greetings_add(s->greetings, fd, from);
    } else {
        welcome(s, fd, from);
    }
}

static int open_spare(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

// All descriptors are in use and no connection can be closed: uses the spare
// descriptor to answer the first connection in the queue with 503.
static void refuse_with_spare(struct http_server *s)
{
    static const char body[] =
        "{\"code\":503,\"message\":\"Service Unavailable: " HTTP_TOO_MANY "\"}";
    char answer[256];
    int n_bytes;
    int fd;

    if (s->spare_fd < 0)
        return;
    close(s->spare_fd);
    fd = accept4(s->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0 && stream_hub_has_tls(s->streams)) {
        s->figures.n_refused++;
        (void)!send(fd, tls_refusal, TLS_REFUSAL_BYTES, MSG_NOSIGNAL);
        close(fd);
    } else if (fd >= 0) {
        s->figures.n_refused++;
        n_bytes = snprintf(answer, sizeof(answer),
                           "HTTP/1.1 503 Service Unavailable\r\n"
                           "Content-Type: application/json\r\n"
                           "Content-Length: %zu\r\n"
                           "Connection: close\r\nRetry-After: 1\r\n\r\n%s",
                           sizeof(body) - 1, body);
        (void)!send(fd, answer, (size_t)n_bytes, MSG_NOSIGNAL);
        shutdown(fd, SHUT_WR);
        close(fd);
    }
    s->spare_fd = open_spare(); // -1: tried again by accept_resume()
}

static void pause_accepting(struct http_server *s, int error)
{
    uint64_t now_ms = uv_now(s->loop);

    uv_poll_stop(&s->listener);
    s->is_paused = true;
    if (now_ms < s->warn_again_ms)
        return;
    s->warn_again_ms = now_ms + WARN_AGAIN_MS;
    log_warn("new connections cannot be accepted; trying again", "reason=%s",
             log_quote(str_of(strerror(error))));
}

// Accepts one connection. Returns false if none waits or none may be accepted.
static bool accept_one(struct http_server *s)
{
    struct sockaddr_storage from = { .ss_family = AF_UNSPEC };
    socklen_t n_bytes = sizeof(from);
    int fd = accept4(s->listen_fd, (struct sockaddr *)&from, &n_bytes,
                     SOCK_NONBLOCK | SOCK_CLOEXEC);
    int error = errno;

    if (fd >= 0) {
        receive(s, fd, &from);
        return true;
    }
    if (error == EAGAIN)
        return false;
    if (error == EMFILE || error == ENFILE) {
        if (make_room(s, NULL)) // its descriptor is free at once
            return true;
        refuse_with_spare(s);
        pause_accepting(s, error);
        return false;
    }
    if (error == ENOBUFS || error == ENOMEM) {
        pause_accepting(s, error);
        return false;
    }
    return true; // an error of that connection alone: it has gone
}

static void on_connections(uv_poll_t *listener, int status, int events)
{
    struct http_server *s = listener->data;

    (void)status; // accept4() reports errors
    (void)events;
    for (int i = 0; i < ACCEPTS_A_TURN; i++) {
        if (!accept_one(s))
            return;
    }
}

void accept_resume(struct http_server *s)
{
    if (!s->is_paused || s->is_draining)
        return;
    if (s->spare_fd < 0)
        s->spare_fd = open_spare();
    s->is_paused = false;
    uv_poll_start(&s->listener, UV_READABLE, on_connections);
}

enum err accept_start(struct http_server *s)
{
    int rc = 0;

    if (listen(s->listen_fd, BACKLOG) != 0)
        rc = uv_translate_sys_error(errno);
    if (rc == 0)
        rc = uv_poll_init(s->loop, &s->listener, s->listen_fd);
    if (rc != 0) {
        log_warn("the server cannot listen", "reason=%s",
                 log_quote(str_of(uv_strerror(rc))));
        return ERR_IO;
    }
    s->listener.data = s;
    s->greetings = greetings_new(s->loop, on_greeted, s);
    s->spare_fd = open_spare();
    uv_poll_start(&s->listener, UV_READABLE, on_connections);
    return OK;
}

void accept_stop(struct http_server *s, uv_close_cb on_closed)
{
    uv_poll_stop(&s->listener);
    uv_close((uv_handle_t *)&s->listener, on_closed);
    close(s->listen_fd);
    greetings_free(s->greetings);
    if (s->spare_fd >= 0)
        close(s->spare_fd);
    s->spare_fd = -1;
}
