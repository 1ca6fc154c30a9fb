// SPDX-License-Identifier: MIT
// http_fixture.h — the HTTP server in a process of its own, and a raw client.
//
// The server's answers echo the request. The paths /later and /hold are
// answered after a while, /early by on_headers.

#ifndef TESTS_SUPPORT_HTTP_FIXTURE_H
#define TESTS_SUPPORT_HTTP_FIXTURE_H

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/http/http.h"
#include "tests/support/unit.h"

#define ANSWER_MAX_BYTES ((size_t)1 << 20)
#define PATIENCE_MS      20000 // only a test that fails waits so long

static uint16_t port;
static pid_t server_pid;

#define HOST "Host: x\r\n"
#define GET  "GET / HTTP/1.1\r\n" HOST
#define POST "POST / HTTP/1.1\r\n" HOST

// --- the server ---

struct later {
    uv_timer_t timer;
    struct http_request *request;
};

static inline void answer(struct http_request *r)
{
    struct http_response response = { .status = 200,
                                      .content_type = STR("text/plain") };
    struct buf body;

    buf_init(&body, 0);
    buf_printf(&body, "%.*s %.*s %zu", STR_ARG(r->method_name),
               STR_ARG(r->path), r->body.n_bytes);
    response.body = buf_str(&body);
    http_respond(r, &response);
    buf_clear(&body);
}

static inline void on_later_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static inline void on_later(uv_timer_t *timer)
{
    struct later *later = timer->data;

    answer(later->request);
    uv_close((uv_handle_t *)timer, on_later_closed);
}

static inline void on_request(void *data, struct http_request *r)
{
    struct later *later;
    bool is_long = str_is(r->path, "/hold");

    if (!is_long && !str_is(r->path, "/later")) {
        answer(r);
        return;
    }
    later = xcalloc(1, sizeof(*later));
    later->request = r;
    uv_timer_init(data, &later->timer);
    later->timer.data = later;
    uv_timer_start(&later->timer, on_later, is_long ? 1000 : 100, 0);
}

static inline void on_headers(void *data, struct http_request *r)
{
    (void)data;
    if (str_is(r->path, "/early"))
        http_fail(r, 401, STR_EMPTY, "no");
}

static inline void serve(int fd, const struct http_limits *limits)
{
    static uv_loop_t loop;
    struct http_handlers handlers = { .on_headers = on_headers,
                                      .on_request = on_request,
                                      .data = &loop };
    struct http_server *server;

    uv_loop_init(&loop);
    if (http_server_start(&loop, fd, limits, &handlers, &server) != OK)
        _exit(1);
    uv_run(&loop, UV_RUN_DEFAULT);
    _exit(0);
}

static inline void start_server(const struct http_limits *limits)
{
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t n_bytes = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(fd, 128), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &n_bytes), 0);
    port = ntohs(at.sin_port);
    server_pid = fork();
    assert_true(server_pid >= 0);
    if (server_pid == 0)
        serve(fd, limits);
    close(fd);
}

static inline int start_normal(void **state)
{
    struct http_limits limits = http_default_limits;

    (void)state;
    signal(SIGPIPE, SIG_IGN);
    limits.max_body_bytes = 1000;
    start_server(&limits);
    return 0;
}

static inline int start_tight(void **state)
{
    struct http_limits limits = http_default_limits;

    (void)state;
    signal(SIGPIPE, SIG_IGN);
    limits.header_timeout_ms = 500;
    limits.body_timeout_ms = 500;
    limits.idle_timeout_ms = 700;
    limits.max_connections = 4;
    limits.max_requests = 3;
    start_server(&limits);
    return 0;
}

// Starts a server with room for four connections, and default time limits, which tests
// do not reach.
static inline int start_narrow(void **state)
{
    struct http_limits limits = http_default_limits;

    (void)state;
    signal(SIGPIPE, SIG_IGN);
    limits.max_connections = 4;
    start_server(&limits);
    return 0;
}

// Checks that the server still runs: a crash fails the test during which it happens.
static inline int stop_server(void **state)
{
    int status;

    (void)state;
    assert_int_equal(waitpid(server_pid, &status, WNOHANG), 0);
    kill(server_pid, SIGKILL);
    assert_int_equal(waitpid(server_pid, &status, 0), server_pid);
    return 0;
}

// --- the client ---

static inline int dial(void)
{
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_port = htons(port),
                              .sin_addr = { htonl(INADDR_LOOPBACK) } };
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    return fd;
}

static inline void send_all(int fd, const char *at, size_t n_bytes)
{
    assert_non_null(at);
    while (n_bytes > 0) {
        ssize_t n = send(fd, at, n_bytes, MSG_NOSIGNAL);

        if (n < 0)
            return; // refused in the middle: the answer says so
        at += n;
        n_bytes -= (size_t)n;
    }
}

// Reads once, waiting at most that long. False: the end, or nothing came; `is_end` says
// which.
static inline bool read_some(int fd, char *text, int wait_ms, bool *is_end)
{
    size_t n_bytes = strlen(text);
    struct pollfd p = { .fd = fd, .events = POLLIN };
    ssize_t n;

    *is_end = false;
    if (poll(&p, 1, wait_ms) != 1)
        return false;
    n = recv(fd, text + n_bytes, ANSWER_MAX_BYTES - n_bytes - 1, 0);
    *is_end = n <= 0;
    if (n <= 0)
        return false;
    text[n_bytes + (size_t)n] = '\0';
    return true;
}

// Adds to `text` until the end. False: the patience ended before.
static inline bool read_end(int fd, char *text)
{
    bool is_end;

    while (read_some(fd, text, PATIENCE_MS, &is_end)) {
    }
    return is_end;
}

// Adds to `text` until `wanted` is in it. False: it never came.
static inline bool read_to(int fd, char *text, const char *wanted)
{
    bool is_end;

    while (strstr(text, wanted) == NULL) {
        if (!read_some(fd, text, PATIENCE_MS, &is_end))
            return false;
    }
    return true;
}

// Whether neither bytes nor the end arrive for that long.
static inline bool is_quiet(int fd, int quiet_ms)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };

    return poll(&p, 1, quiet_ms) == 0;
}

static inline int status_of(const char *text)
{
    return strncmp(text, "HTTP/1.1 ", 9) == 0 ? (int)strtol(text + 9, NULL, 10)
                                              : 0;
}

// Whether the first answer in `text` is complete. An answer to HEAD has no body.
static inline bool is_whole(const char *text, bool is_head)
{
    const char *body = strstr(text, "\r\n\r\n");
    const char *length = strstr(text, "Content-Length: ");

    if (body == NULL || is_head || length == NULL || length > body)
        return body != NULL;
    return strlen(body + 4) >= strtoul(length + 16, NULL, 10);
}

// Reads the answers on `fd`, and returns whether the server ended the connection. This
// needs no clock: a connection that goes on answers a further request.
static inline bool read_answers(int fd, char *text, bool is_head)
{
    static const char probe[] = "GET /probe HTTP/1.1\r\n" HOST "\r\n";
    bool is_end = false;
    char *at;

    while (!is_whole(text, is_head) &&
           read_some(fd, text, PATIENCE_MS, &is_end)) {
    }
    if (is_end)
        return true;
    send_all(fd, probe, sizeof(probe) - 1);
    if (!read_to(fd, text, "GET /probe 0"))
        return true;
    at = strstr(text, "GET /probe 0"); // its answer is not of interest
    while (at > text && strncmp(at, "HTTP/1.1 ", 9) != 0)
        at--;
    *at = '\0';
    return false;
}

// Sends, and returns the first status; `closed` says whether the connection ended.
static inline int ask(const char *bytes, size_t n_bytes, bool *closed,
                      char *text)
{
    int fd = dial();

    text[0] = '\0';
    send_all(fd, bytes, n_bytes);
    *closed = read_answers(fd, text, strncmp(bytes, "HEAD ", 5) == 0);
    close(fd);
    return status_of(text);
}

#endif
