// SPDX-License-Identifier: MIT
// receiver.c — an HTTP server that answers every POST and counts it.
//
// Happy path: epoll, read, take every complete request out of the buffer,
// count it, answer all of them with one send. With a delay, the connection
// waits in a list ordered by time (the delay is the same for all) and is
// answered then. GET /stats answers the counts as JSON, GET /reset forgets
// them. The first line on stdout names the ports.
//
// If it fails: the connection of a client that closes it, or does not read its answers,
// is closed, and this is not counted; a request beyond 8 MiB closes its connection.

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

#include "bench/args.h"
#include "bench/tally.h"
#include "bench/wire.h"
#include "common/base/clock.h"
#include "common/base/mem.h"

#define MAX_PORTS         16
#define MAX_EVENTS        256
#define READ_BYTES        65536
#define MAX_REQUEST_BYTES (8U << 20)
#define ANSWERS_AT_ONCE   32

struct conn {
    int fd;
    bool is_listener;
    bool is_waiting; // in the list of delayed answers
    bool is_closed;  // freed when it leaves the list
    struct buf in;
    uint64_t n_owed; // requests not answered yet
    int64_t due_us;
    struct conn *next; // in the list of delayed answers
};

struct receiver {
    int epoll_fd;
    struct conn listeners[MAX_PORTS];
    uint64_t is_everywhere; // listens on all addresses of loopback
    uint64_t n_ports;
    int64_t delay_us;
    struct tally tally;
    struct buf answers;  // ANSWERS_AT_ONCE times the answer
    size_t answer_bytes; // one of them
    struct conn *due_first;
    struct conn *due_last;
};

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(1);
}

// Closes a connection. One that is in the list of delayed answers is freed when it
// leaves the list.
static void conn_close(struct conn *c)
{
    if (!c->is_closed)
        close(c->fd);
    c->is_closed = true;
    if (c->is_waiting)
        return;
    buf_clear(&c->in);
    free(c);
}

static bool send_all(int fd, const char *at, size_t n_bytes)
{
    return send(fd, at, n_bytes, MSG_NOSIGNAL) == (ssize_t)n_bytes;
}

// False: the client has gone, or does not read.
static bool answer_owed(struct receiver *r, struct conn *c)
{
    while (c->n_owed > 0) {
        uint64_t n = c->n_owed < ANSWERS_AT_ONCE ? c->n_owed : ANSWERS_AT_ONCE;

        if (!send_all(c->fd, r->answers.at, (size_t)n * r->answer_bytes))
            return false;
        c->n_owed -= n;
    }
    return true;
}

static void answer_later(struct receiver *r, struct conn *c)
{
    c->due_us = clock_mono_us() + r->delay_us;
    c->is_waiting = true;
    c->next = NULL;
    if (r->due_last != NULL) {
        r->due_last->next = c;
    } else {
        r->due_first = c;
    }
    r->due_last = c;
}

static void answer_due(struct receiver *r)
{
    int64_t now_us = clock_mono_us();

    while (r->due_first != NULL && r->due_first->due_us <= now_us) {
        struct conn *c = r->due_first;

        r->due_first = c->next;
        if (r->due_first == NULL)
            r->due_last = NULL;
        c->is_waiting = false;
        if (c->is_closed || !answer_owed(r, c))
            conn_close(c);
    }
}

// Answers GET requests, the only ones that are not counted.
static bool answer_control(struct receiver *r, const struct conn *c,
                           struct str path)
{
    struct buf body;
    struct buf out;
    bool sent;

    buf_init(&body, 0);
    buf_init(&out, 0);
    if (str_starts(path, STR("/reset")))
        tally_reset(&r->tally);
    tally_json(&r->tally, &body);
    buf_printf(&out,
               "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
               "Content-Length: %zu\r\n\r\n",
               body.n_bytes);
    buf_put_str(&out, buf_str(&body));
    sent = send_all(c->fd, out.at, out.n_bytes);
    buf_clear(&body);
    buf_clear(&out);
    return sent;
}

// The second word of the request line.
static struct str path_of(struct str head)
{
    const char *from = memchr(head.at, ' ', head.n_bytes);
    const char *to;

    if (from == NULL)
        return STR_EMPTY;
    from++;
    to = memchr(from, ' ', head.n_bytes - (size_t)(from - head.at));
    if (to == NULL)
        return STR_EMPTY;
    return (struct str){ from, (size_t)(to - from) };
}

// Takes one request from the front of `at`; 0: it is not complete yet.
static size_t request_take(char *at, size_t n_bytes, struct tally_request *out)
{
    struct wire_head head;
    size_t n_raw;
    size_t n_body;

    if (!wire_head_read((struct str){ at, n_bytes }, &head))
        return 0;
    n_raw = (size_t)head.body_bytes;
    n_body = n_raw;
    if (head.is_chunked &&
        !wire_dechunk(at + head.head_bytes, n_bytes - head.head_bytes, &n_raw,
                      &n_body))
        return 0;
    if (n_raw > n_bytes - head.head_bytes)
        return 0;
    out->path = path_of((struct str){ at, head.head_bytes });
    out->body = (struct str){ at + head.head_bytes, n_body };
    out->signature = head.signature;
    return head.head_bytes + n_raw;
}

// False: close the connection.
static bool requests_take(struct receiver *r, struct conn *c)
{
    struct tally_request request = { .at_us = clock_mono_us() };
    size_t n_done = 0;

    while (n_done < c->in.n_bytes) {
        char *at = c->in.at + n_done;
        size_t n = request_take(at, c->in.n_bytes - n_done, &request);

        if (n == 0)
            break;
        n_done += n;
        if (at[0] == 'G') {
            if (!answer_control(r, c, request.path))
                return false;
            continue;
        }
        tally_add(&r->tally, &request);
        c->n_owed++;
    }
    buf_consume(&c->in, n_done);
    return c->in.n_bytes <= MAX_REQUEST_BYTES;
}

static void on_readable(struct receiver *r, struct conn *c)
{
    char *room = buf_reserve(&c->in, READ_BYTES);
    ssize_t n = recv(c->fd, room, READ_BYTES, 0);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        conn_close(c);
        return;
    }
    buf_added(&c->in, (size_t)n);
    if (!requests_take(r, c)) {
        conn_close(c);
        return;
    }
    if (c->n_owed == 0 || c->is_waiting)
        return;
    if (r->delay_us > 0) {
        answer_later(r, c);
    } else if (!answer_owed(r, c)) {
        conn_close(c);
    }
}

// Only of this machine: with --everywhere, others could connect.
static void on_connection(const struct receiver *r, int listen_fd)
{
    struct sockaddr_in peer = { .sin_family = AF_INET };
    socklen_t n_bytes = sizeof(peer);
    int fd;

    while ((fd = accept4(listen_fd, (struct sockaddr *)&peer, &n_bytes,
                         SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct conn *c;
        struct epoll_event event = { .events = EPOLLIN };
        int on = 1;

        n_bytes = sizeof(peer);
        if (ntohl(peer.sin_addr.s_addr) >> 24 != IN_LOOPBACKNET) {
            close(fd);
            continue;
        }
        c = xcalloc(1, sizeof(*c));
        event.data.ptr = c;
        c->fd = fd;
        buf_init(&c->in, 0);
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        if (epoll_ctl(r->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
            die("epoll_ctl");
    }
}

static uint16_t listen_on(const struct receiver *r, struct conn *listener,
                          uint64_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr = { htonl(r->is_everywhere != 0 ? INADDR_ANY
                                                  : INADDR_LOOPBACK) }
    };
    socklen_t n_bytes = sizeof(address);
    struct epoll_event event = { .events = EPOLLIN,
                                 .data = { .ptr = listener } };
    int on = 1;

    listener->is_listener = true;
    listener->fd =
        socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener->fd < 0)
        die("socket");
    (void)setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(listener->fd, (const struct sockaddr *)&address,
             sizeof(address)) != 0 ||
        listen(listener->fd, 4096) != 0 ||
        getsockname(listener->fd, (struct sockaddr *)&address, &n_bytes) != 0)
        die("listen");
    if (epoll_ctl(r->epoll_fd, EPOLL_CTL_ADD, listener->fd, &event) != 0)
        die("epoll_ctl");
    return ntohs(address.sin_port);
}

// Listens on consecutive ports from `port` on; if it is 0, the system chooses them.
static void listen_all(struct receiver *r, uint64_t port)
{
    printf("{\"ports\":[");
    for (uint64_t i = 0; i < r->n_ports; i++) {
        uint64_t wanted = port == 0 ? 0 : port + i;

        printf("%s%u", i > 0 ? "," : "",
               (unsigned)listen_on(r, &r->listeners[i], wanted));
    }
    printf("]}\n");
    (void)fflush(stdout);
}

static void prepare_answers(struct receiver *r, uint64_t status)
{
    buf_init(&r->answers, 0);
    for (size_t i = 0; i < ANSWERS_AT_ONCE; i++) {
        buf_printf(&r->answers,
                   "HTTP/1.1 %u Counted\r\nContent-Type: application/json\r\n"
                   "Content-Length: 2\r\n\r\n{}",
                   (unsigned)status);
    }
    r->answer_bytes = r->answers.n_bytes / ANSWERS_AT_ONCE;
}

static int wait_ms(const struct receiver *r)
{
    int64_t left_us;

    if (r->due_first == NULL)
        return -1;
    left_us = r->due_first->due_us - clock_mono_us();
    return left_us <= 0 ? 0 : (int)((left_us + 999) / 1000);
}

static _Noreturn void serve(struct receiver *r)
{
    struct epoll_event events[MAX_EVENTS];

    for (;;) {
        int n = epoll_wait(r->epoll_fd, events, MAX_EVENTS, wait_ms(r));

        for (int i = 0; i < n; i++) {
            struct conn *c = events[i].data.ptr;

            if (c->is_listener) {
                on_connection(r, c->fd);
            } else {
                on_readable(r, c);
            }
        }
        answer_due(r);
    }
}

int main(int argc, char **argv)
{
    static struct receiver receiver; // static: the histogram is large
    uint64_t port = 0;
    uint64_t delay_ms = 0;
    uint64_t status = 200;
    uint64_t is_timing = 0;
    const char *secret = NULL;
    struct tally_options options = { .n_paths = 1 };

    receiver.n_ports = 1;
    const struct arg args[] = {
        { "--port", "first port, 0: any", &port, 0, 65535, NULL },
        { "--ports", "how many", &receiver.n_ports, 1, MAX_PORTS, NULL },
        { "--everywhere", "1: on 127.0.0.1, 127.0.0.2 and so on",
          &receiver.is_everywhere, 0, 1, NULL },
        { "--delay-ms", "before the answer", &delay_ms, 0, 86400000, NULL },
        { "--status", "of the answer", &status, 200, 599, NULL },
        { "--latency", "1: read the stamps", &is_timing, 0, 1, NULL },
        { "--track", "tell events 0..N-1 apart", &options.max_seq, 0,
          UINT64_C(1) << 32, NULL },
        { "--paths", "tell paths /h/0../h/N-1 apart", &options.n_paths, 1, 4096,
          NULL },
        { "--verify", "secret: check each signature", NULL, 0, 0, &secret },
    };

    args_read(argc, argv, args, sizeof(args) / sizeof(args[0]));
    wire_die_with_parent();
    options.is_timing = is_timing != 0;
    options.secret = str_of(secret);
    receiver.delay_us = (int64_t)delay_ms * 1000;
    tally_init(&receiver.tally, &options);
    prepare_answers(&receiver, status);
    receiver.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (receiver.epoll_fd < 0)
        die("epoll_create1");
    listen_all(&receiver, port);
    serve(&receiver);
}
