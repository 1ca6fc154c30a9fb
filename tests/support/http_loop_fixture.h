// SPDX-License-Identifier: MIT
// http_loop_fixture.h — the HTTP server and its clients on one loop.
//
// Server and clients share one loop and one thread: a test runs the loop until the
// expected state is reached. At the end nothing may be left on the loop.

#ifndef TESTS_SUPPORT_HTTP_LOOP_FIXTURE_H
#define TESTS_SUPPORT_HTTP_LOOP_FIXTURE_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/http/http.h"
#include "tests/support/unit.h"

#define CLIENTS_MAX 8
#define TEXT_BYTES  ((size_t)64 * 1024)
#define WAIT_US     5000000
#define QUIET_TURNS 60
#define HOST        "Host: x\r\n"
#define GET(path)   "GET " path " HTTP/1.1\r\n" HOST "\r\n"
#define POST(path, n) \
    "POST " path " HTTP/1.1\r\n" HOST "Content-Length: " n "\r\n\r\n"

struct client {
    int fd;
    char *text; // what came
    size_t n_bytes;
    bool is_reading, has_ended;
};

struct fixture {
    uv_loop_t loop;
    struct http_server *server;
    struct sockaddr_in at;
    struct client clients[CLIENTS_MAX];
    struct http_request *held[CLIENTS_MAX]; // requests not answered yet
    size_t n_held, n_seen, n_dropped, n_gone;
    bool is_draining, is_drained;
    struct share_limit
        holds;        // of "/hold/7", where 7 is the holder; zeros: none
    size_t n_holding; // that were given
    // Answers requests for other paths than those below; NULL: the answer is the path.
    void (*answer_other)(struct fixture *f, struct http_request *r);
};

static struct fixture *gone_to; // streams are told without data

// --- the server ---

static inline void on_gone(struct http_request *r)
{
    (void)r;
    gone_to->n_gone++;
}

static inline void on_headers(void *data, struct http_request *r)
{
    struct fixture *f = data;

    if (f->holds.whole == 0 || r->path.n_bytes != strlen("/hold/7"))
        return;
    if (http_hold(r, (uint64_t)(r->path.at[6] - '0'), &f->holds) ==
        SHARE_THERE) {
        f->n_holding++;
    } else {
        http_fail(r, 429, STR_EMPTY, "too many");
    }
}

static inline void on_request(void *data, struct http_request *r)
{
    struct fixture *f = data;
    struct http_response ok = { .status = 200, .body = r->path };

    f->n_seen++;
    if (str_starts(r->path, STR("/hold"))) {
        f->held[f->n_held++] = r;
    } else if (str_is(r->path, "/stream")) {
        f->held[f->n_held++] = r;
        http_stream_begin(r, STR("text/event-stream"), on_gone);
    } else if (f->answer_other != NULL && !str_is(r->path, "/a")) {
        f->answer_other(f, r);
    } else {
        http_respond(r, &ok);
    }
}

static inline void on_dropped(void *data, struct http_request *r)
{
    struct fixture *f = data;

    (void)r;
    f->n_dropped++;
}

static inline void start(struct fixture *f, const struct http_limits *limits)
{
    struct http_handlers handlers = { .on_headers = on_headers,
                                      .on_request = on_request,
                                      .on_dropped = on_dropped,
                                      .data = f };
    socklen_t n_bytes = sizeof(f->at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    memset(f, 0, sizeof(*f));
    gone_to = f;
    f->at = (struct sockaddr_in){ .sin_family = AF_INET,
                                  .sin_addr = { htonl(INADDR_LOOPBACK) } };
    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(bind(fd, (struct sockaddr *)&f->at, sizeof(f->at)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&f->at, &n_bytes), 0);
    assert_int_equal(listen(fd, 64), 0);
    assert_int_equal(uv_loop_init(&f->loop), 0);
    assert_int_equal(
        http_server_start(&f->loop, fd, limits, &handlers, &f->server), OK);
    for (size_t i = 0; i < CLIENTS_MAX; i++)
        f->clients[i].fd = -1;
}

// --- the clients ---

static inline struct client *make(struct fixture *f, size_t i)
{
    struct client *c = &f->clients[i];

    *c = (struct client){ .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
                          .text = xcalloc(1, TEXT_BYTES),
                          .is_reading = true };
    assert_true(c->fd >= 0);
    return c;
}

static inline void join(struct fixture *f, struct client *c)
{
    assert_int_equal(connect(c->fd, (struct sockaddr *)&f->at, sizeof(f->at)),
                     0);
}

static inline void say(struct client *c, const char *text)
{
    ssize_t n = send(c->fd, text, strlen(text), MSG_NOSIGNAL);

    assert_int_equal(n, strlen(text));
}

static inline struct client *dial(struct fixture *f, size_t i, const char *text)
{
    struct client *c = make(f, i);

    join(f, c);
    say(c, text);
    return c;
}

static inline void leave(struct client *c)
{
    if (c->fd >= 0)
        close(c->fd);
    free(c->text);
    *c = (struct client){ .fd = -1 };
}

static inline void hear(struct client *c)
{
    ssize_t n;

    if (c->fd < 0 || !c->is_reading || c->has_ended)
        return;
    n = recv(c->fd, c->text + c->n_bytes, TEXT_BYTES - c->n_bytes - 1,
             MSG_DONTWAIT);
    if (n > 0)
        c->n_bytes += (size_t)n;
    if (n == 0)
        c->has_ended = true;
}

static inline void turn(struct fixture *f)
{
    uv_run(&f->loop, UV_RUN_NOWAIT);
    for (size_t i = 0; i < CLIENTS_MAX; i++)
        hear(&f->clients[i]);
    usleep(500);
}

// Runs the loop for a while, to see that something does not happen.
static inline void turn_a_while(struct fixture *f)
{
    for (int i = 0; i < QUIET_TURNS; i++)
        turn(f);
}

static inline void turn_until(struct fixture *f, int64_t end_us,
                              const char *what)
{
    if (clock_mono_us() > end_us)
        fail_msg("in vain: %s", what);
    turn(f);
}

#define UNTIL(f, condition)                                     \
    for (int64_t end = clock_mono_us() + WAIT_US; !(condition); \
         turn_until(f, end, #condition)) {                      \
    }

static inline bool has(const struct client *c, const char *text)
{
    return strstr(c->text, text) != NULL;
}

static inline void answer(struct fixture *f, size_t i)
{
    struct http_response ok = { .status = 200, .body = STR("held") };

    http_respond(f->held[i], &ok);
}

static inline void on_drained(void *data)
{
    struct fixture *f = data;

    f->is_drained = true;
    http_server_free(f->server);
}

static inline void drain(struct fixture *f)
{
    f->is_draining = true;
    http_server_drain(f->server, on_drained, f);
}

// Nothing is left on the loop, and LeakSanitizer looks at the rest.
static inline void stop(struct fixture *f)
{
    for (size_t i = 0; i < CLIENTS_MAX; i++)
        leave(&f->clients[i]);
    if (!f->is_draining)
        drain(f);
    UNTIL(f, f->is_drained);
    assert_int_equal(uv_loop_close(&f->loop), 0);
}

static inline struct http_figures figures(const struct fixture *f)
{
    return http_server_figures(f->server);
}

#endif
