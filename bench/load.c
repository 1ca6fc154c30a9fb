// SPDX-License-Identifier: MIT
// load.c — posts events, at a rate (open loop) or as fast as answers come.
//
// Happy path: every connection is idle or waits for one answer. While an event
// is due and a connection idle, the event is stamped and sent; an answer makes
// the connection idle again. With --rate, event i is due at start + i / rate
// whether or not earlier ones have been answered, and its latency counts from
// then: a stall of the other side adds to the latency of every event that was due
// meanwhile (no coordinated omission). Without --rate, an event is due when a
// connection is idle. The result is one JSON object on stdout.
//
// If it fails: a connection that closes is opened again, and the event that waited for
// an answer on it counts as lost. A refused connect ends the program.

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include "bench/args.h"
#include "bench/post.h"
#include "bench/secure.h"
#include "bench/wire.h"
#include "common/base/clock.h"
#include "common/base/histogram.h"
#include "common/base/mem.h"

#define MAX_EVENTS      256
#define READ_BYTES      65536
#define ERROR_BYTES     300
#define ANSWERS_WAIT_US 10000000 // for the last answers

struct conn {
    int fd;
    struct secure *secure; // NULL: plain
    struct post post;
    size_t n_sent; // bytes of the post
    bool is_busy;
    int64_t due_us; // of the request that waits for its answer
    struct buf in;
    uint64_t body_left; // of the answer whose head was read
    bool is_in_body;
    bool is_closing; // the answer said so
    unsigned status;
};

struct load {
    int epoll_fd;
    struct post_options post;
    uint64_t n_conns;
    uint64_t is_secure; // over TLS
    uint64_t rate;      // events per second; 0: closed loop
    uint64_t count;     // events; 0: no limit
    uint64_t seconds;   // 0: no limit
    struct conn *conns;
    struct conn **idle; // ring of n_conns
    uint64_t idle_first;
    uint64_t n_idle;
    uint64_t next_seq;
    uint64_t first_seq;
    int64_t start_us;
    int64_t last_answer_us;
    uint64_t n_accepted;
    uint64_t n_refused; // answered, but not with 2xx
    uint64_t n_lost;
    uint64_t n_reconnects;
    unsigned first_error; // status
    struct histogram latency;
};

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(1);
}

static void idle_put(struct load *l, struct conn *c)
{
    l->idle[(l->idle_first + l->n_idle) % l->n_conns] = c;
    l->n_idle++;
}

static struct conn *idle_get(struct load *l)
{
    struct conn *c = l->idle[l->idle_first];

    l->idle_first = (l->idle_first + 1) % l->n_conns;
    l->n_idle--;
    return c;
}

static void conn_open(const struct load *l, struct conn *c)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)l->post.port),
                                   .sin_addr = { htonl(INADDR_LOOPBACK) } };
    struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLET,
                                 .data = { .ptr = c } };
    int on = 1;

    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        die("socket");
    if (connect(c->fd, (const struct sockaddr *)&address, sizeof(address)) != 0)
        die("connect");
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    c->secure = l->is_secure != 0 ? secure_open(c->fd) : NULL;
    if (l->is_secure != 0 && c->secure == NULL)
        exit(1);
    if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, c->fd, &event) != 0)
        die("epoll_ctl");
    buf_reset(&c->in);
    c->is_in_body = false;
    c->is_closing = false;
}

static void conn_close(struct conn *c)
{
    secure_close(c->secure);
    close(c->fd);
}

static void conn_reopen(struct load *l, struct conn *c)
{
    conn_close(c);
    l->n_reconnects++;
    conn_open(l, c);
    if (c->is_busy) {
        c->is_busy = false;
        l->n_lost += l->post.batch;
        idle_put(l, c);
    }
}

// False: the connection is broken.
static bool conn_write(struct conn *c)
{
    while (c->is_busy && c->n_sent < c->post.n_bytes) {
        const char *at = c->post.at + c->n_sent;
        size_t n_bytes = c->post.n_bytes - c->n_sent;
        ssize_t n = c->secure != NULL
                        ? secure_write(c->secure, at, n_bytes)
                        : send(c->fd, at, n_bytes, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0)
            return errno == EAGAIN || errno == EINTR;
        c->n_sent += (size_t)n;
    }
    return true;
}

static void send_next(struct load *l, int64_t due_us)
{
    struct conn *c = idle_get(l);

    post_stamp(&c->post, l->next_seq, due_us);
    l->next_seq += l->post.batch;
    c->is_busy = true;
    c->n_sent = 0;
    c->due_us = due_us;
    if (!conn_write(c))
        conn_reopen(l, c);
}

static bool is_over(const struct load *l, int64_t now_us)
{
    if (l->count > 0 && l->next_seq - l->first_seq >= l->count)
        return true;
    return l->seconds > 0 &&
           now_us >= l->start_us + (int64_t)l->seconds * 1000000;
}

static int64_t due_of_next(const struct load *l, int64_t now_us)
{
    uint64_t n = l->next_seq - l->first_seq;

    if (l->rate == 0)
        return now_us;
    return l->start_us + (int64_t)(n * 1000000 / l->rate);
}

// Sends the events that are due; returns the time until the next one is due, in µs.
static int64_t send_due(struct load *l)
{
    int64_t now_us = clock_mono_us();

    while (!is_over(l, now_us)) {
        int64_t due_us = due_of_next(l, now_us);

        if (due_us > now_us)
            return due_us - now_us;
        if (l->n_idle == 0)
            break;
        send_next(l, due_us);
        now_us = clock_mono_us();
    }
    return 100000; // answers wake the loop earlier
}

static void answered(struct load *l, struct conn *c)
{
    int64_t now_us = clock_mono_us();

    l->last_answer_us = now_us;
    histogram_put(&l->latency, now_us - c->due_us);
    if (c->status >= 200 && c->status < 300) {
        l->n_accepted += l->post.batch;
    } else {
        l->n_refused += l->post.batch;
        if (l->first_error == 0)
            l->first_error = c->status;
    }
    c->is_busy = false;
    idle_put(l, c);
    if (c->is_closing)
        conn_reopen(l, c);
}

static unsigned status_of(struct str head)
{
    unsigned status = 0;

    // "HTTP/1.1 202 Accepted"
    for (size_t i = 9; i < 12 && i < head.n_bytes; i++)
        status = status * 10 + (unsigned)(head.at[i] - '0');
    return status;
}

// Reads the answer's head, then its body as it arrives.
static void answer_read(struct load *l, struct conn *c)
{
    struct wire_head head;
    uint64_t n;

    if (!c->is_in_body) {
        if (!wire_head_read(buf_str(&c->in), &head))
            return;
        c->status = status_of(buf_str(&c->in));
        c->is_in_body = true;
        c->is_closing = head.is_closing;
        c->body_left = head.body_bytes;
        buf_consume(&c->in, head.head_bytes);
        if (c->status >= 300 && l->first_error == 0) {
            fprintf(stderr, "first refusal: %u %.*s\n", c->status,
                    c->in.n_bytes < ERROR_BYTES ? (int)c->in.n_bytes
                                                : ERROR_BYTES,
                    c->in.at);
        }
    }
    n = c->in.n_bytes < c->body_left ? c->in.n_bytes : c->body_left;
    buf_consume(&c->in, (size_t)n);
    c->body_left -= n;
    if (c->body_left == 0) {
        c->is_in_body = false;
        answered(l, c);
    }
}

static void on_event(struct load *l, struct conn *c)
{
    // A record may be shorter than what waits behind it.
    ssize_t enough = c->secure != NULL ? 1 : READ_BYTES;
    ssize_t n = enough;

    if (!conn_write(c)) {
        conn_reopen(l, c);
        return;
    }
    while (n >= enough) {
        char *at = buf_reserve(&c->in, READ_BYTES);
        int fd = c->fd;

        n = c->secure != NULL ? secure_read(c->secure, at, READ_BYTES)
                              : recv(fd, at, READ_BYTES, MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n <= 0) {
            conn_reopen(l, c);
            return;
        }
        buf_added(&c->in, (size_t)n);
        if (c->is_busy)
            answer_read(l, c);
        if (c->fd != fd)
            return;
    }
}

static void run(struct load *l)
{
    struct epoll_event events[MAX_EVENTS];
    int64_t over_us = 0;

    l->start_us = clock_mono_us();
    for (;;) {
        int64_t wait_us = send_due(l);
        int64_t now_us = clock_mono_us();
        struct timespec wait = { .tv_nsec = wait_us % 1000000 * 1000,
                                 .tv_sec = wait_us / 1000000 };
        int n;

        if (is_over(l, now_us)) {
            if (over_us == 0)
                over_us = now_us;
            if (l->n_idle == l->n_conns || now_us - over_us > ANSWERS_WAIT_US)
                return;
        }
        n = epoll_pwait2(l->epoll_fd, events, MAX_EVENTS, &wait, NULL);
        for (int i = 0; i < n; i++)
            on_event(l, events[i].data.ptr);
    }
}

static void report(const struct load *l)
{
    double seconds = (double)(l->last_answer_us - l->start_us) / 1e6;
    struct buf out;
    struct json_writer w = json_writer(&out);

    buf_init(&out, 0);
    json_open_object(&w, NULL);
    json_put_u64(&w, "sent", l->next_seq - l->first_seq);
    json_put_u64(&w, "accepted", l->n_accepted);
    json_put_u64(&w, "refused", l->n_refused);
    json_put_u64(&w, "lost", l->n_lost);
    json_put_u64(&w, "unanswered", (l->n_conns - l->n_idle) * l->post.batch);
    json_put_u64(&w, "reconnects", l->n_reconnects);
    json_put_u64(&w, "first_error", l->first_error);
    json_put_i64(&w, "start_us", l->start_us);
    json_put_double(&w, "seconds", seconds, 6);
    json_put_double(&w, "per_second",
                    seconds > 0 ? (double)l->n_accepted / seconds : 0.0, 1);
    wire_put_histogram(&l->latency, "latency_us", &w);
    json_close(&w);
    printf("%s\n", buf_cstr(&out));
    buf_clear(&out);
}

static void prepare(struct load *l)
{
    struct post post;

    post_init(&post, &l->post);
    l->next_seq = l->first_seq;
    l->conns = xcalloc(l->n_conns, sizeof(*l->conns));
    l->idle = xcalloc(l->n_conns, sizeof(struct conn *));
    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (l->epoll_fd < 0)
        die("epoll_create1");
    for (uint64_t i = 0; i < l->n_conns; i++) {
        struct conn *c = &l->conns[i];

        post_copy(&c->post, &post);
        buf_init(&c->in, 0);
        conn_open(l, c);
        idle_put(l, c);
    }
    post_clear(&post);
}

static void finish(struct load *l)
{
    for (uint64_t i = 0; i < l->n_conns; i++) {
        conn_close(&l->conns[i]);
        buf_clear(&l->conns[i].in);
        post_clear(&l->conns[i].post);
    }
    free(l->conns);
    free(l->idle);
}

static void options_read(struct load *l, int argc, char **argv)
{
    struct post_options *post = &l->post;
    const struct arg args[] = {
        { "--port", "where to post", &post->port, 1, 65535, NULL },
        { "--path", "of the request", NULL, 0, 0, &post->path },
        { "--token", "sent as Bearer", NULL, 0, 0, &post->token },
        { "--hooks-of", "an organization: make hooks in it, not events", NULL,
          0, 0, &post->hooks_of },
        { "--hooks-port", "these want all events and are at this port",
          &post->hooks_port, 0, 65535, NULL },
        { "--orgs", "request i is of " POST_ORG " + i mod N, where that stands",
          &post->n_orgs, 0, POST_MAX_ORGS, NULL },
        { "--kind", "of the events", NULL, 0, 0, &post->kind },
        { "--project", "projectName", NULL, 0, 0, &post->project },
        { "--stacks", "event i is of stack s<i mod N>", &post->n_stacks, 1,
          POST_MAX_STACKS, NULL },
        { "--bytes", "of a payload", &post->payload_bytes, 1, 1U << 20, NULL },
        { "--batch", "events per request, above 1: NDJSON", &post->batch, 1,
          10000, NULL },
        { "--connections", "at once", &l->n_conns, 1, 10000, NULL },
        { "--tls", "1: over TLS", &l->is_secure, 0, 1, NULL },
        { "--rate", "events/s, 0: closed loop", &l->rate, 0, 10000000, NULL },
        { "--count", "events, 0: no limit", &l->count, 0, UINT64_C(1) << 40,
          NULL },
        { "--seconds", "0: no limit", &l->seconds, 0, 3600, NULL },
        { "--first-seq", "number of the first event", &l->first_seq, 0,
          UINT64_C(1) << 39, NULL },
    };

    args_read(argc, argv, args, sizeof(args) / sizeof(args[0]));
    if (post->port == 0 || (l->count == 0 && l->seconds == 0)) {
        fprintf(stderr, "--port and one of --count, --seconds are needed\n");
        exit(2);
    }
}

int main(int argc, char **argv)
{
    static struct load load; // static: the histogram is large

    load.post = (struct post_options){ .path = "/",
                                       .kind = "stack_update",
                                       .project = "shop",
                                       .n_stacks = 1,
                                       .payload_bytes = 1024,
                                       .batch = 1 };
    load.n_conns = 16;
    options_read(&load, argc, argv);
    wire_die_with_parent();
    (void)prctl(PR_SET_TIMERSLACK, 1UL); // ns: events are due on time
    prepare(&load);
    run(&load);
    report(&load);
    finish(&load);
    return load.n_accepted > 0 ? 0 : 1;
}
