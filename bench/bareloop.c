// SPDX-License-Identifier: MIT
// bareloop.c — the baseline of the drain: libcurl on libuv and nothing else.
//
// N easy handles post the same request again and again, with constant signature
// headers; there is no queue, no signing, no history. It is as fast as these two
// libraries allow: handles are reused; a socket's uv_poll_t stays registered from one
// transfer to the next and is closed only when libcurl closes the socket, so that a
// transfer costs no epoll_ctl; finished handles are collected once per turn of the loop
// and added again at once, and libcurl's zero timeouts are served in the same turn
// instead of by a timer.

#include <assert.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <curl/curl.h>
#include <uv.h>

#include "bench/args.h"
#include "bench/wire.h"
#include "common/base/clock.h"
#include "common/base/mem.h"

#define MAX_FDS 16384

struct bare {
    uv_loop_t loop;
    uv_check_t check; // runs once per turn, after the sockets' callbacks
    uv_timer_t timer;
    CURLM *multi;
    struct curl_slist *headers;
    char *body;
    const char *authorities;     // file; then https
    struct poll *polls[MAX_FDS]; // by descriptor
    uint64_t port;
    uint64_t n_ports;
    uint64_t n_hosts; // above 1: each request goes to the next one
    uint64_t n_handles;
    uint64_t is_http2;
    uint64_t body_bytes;
    uint64_t count;   // 0: no limit
    uint64_t seconds; // 0: no limit
    uint64_t n_started;
    uint64_t n_done;
    uint64_t n_failed;
    uint64_t n_warm;   // of n_done: one for each host, before the time begins
    double warm_cpu_s; // that these took
    int64_t start_us;
    int64_t last_us;
    bool is_due; // libcurl asked for a timeout of 0
};

struct poll {
    uv_poll_t handle; // its data: the bare loop
    curl_socket_t fd;
    int events; // registered now
};

static void on_poll(uv_poll_t *handle, int status, int events)
{
    struct bare *b = handle->data;
    struct poll *p = (struct poll *)handle; // its first member
    int flags = 0;
    int n_running;

    if (status < 0)
        flags = CURL_CSELECT_ERR;
    if ((events & UV_READABLE) != 0)
        flags |= CURL_CSELECT_IN;
    if ((events & UV_WRITABLE) != 0)
        flags |= CURL_CSELECT_OUT;
    curl_multi_socket_action(b->multi, p->fd, flags, &n_running);
}

static void poll_set(struct bare *b, curl_socket_t fd, int events)
{
    struct poll *p = b->polls[fd];

    if (p == NULL) {
        p = xcalloc(1, sizeof(*p));
        p->fd = fd;
        p->handle.data = b;
        if (uv_poll_init_socket(&b->loop, &p->handle, fd) != 0)
            abort();
        b->polls[fd] = p;
    }
    if (p->events == events)
        return;
    p->events = events;
    if (uv_poll_start(&p->handle, events, on_poll) != 0)
        abort();
}

// CURL_POLL_REMOVE only means that no transfer uses the socket at the moment.
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *data,
                     void *socket_data)
{
    struct bare *b = data;

    (void)easy;
    (void)socket_data;
    if (fd < 0 || fd >= MAX_FDS)
        abort();
    if (what == CURL_POLL_IN) {
        poll_set(b, fd, UV_READABLE);
    } else if (what == CURL_POLL_OUT) {
        poll_set(b, fd, UV_WRITABLE);
    } else if (what == CURL_POLL_INOUT) {
        poll_set(b, fd, UV_READABLE | UV_WRITABLE);
    }
    return 0;
}

static void on_poll_closed(uv_handle_t *handle)
{
    free(handle);
}

static int on_socket_close(void *data, curl_socket_t fd)
{
    struct bare *b = data;

    if (b->polls[fd] != NULL) {
        uv_close((uv_handle_t *)&b->polls[fd]->handle, on_poll_closed);
        b->polls[fd] = NULL;
    }
    return close(fd);
}

static void on_timer(uv_timer_t *timer)
{
    struct bare *b = timer->data;
    int n_running;

    curl_multi_socket_action(b->multi, CURL_SOCKET_TIMEOUT, 0, &n_running);
}

static int on_timeout(CURLM *multi, long timeout_ms, void *data)
{
    struct bare *b = data;

    (void)multi;
    b->is_due = timeout_ms == 0;
    if (timeout_ms > 0) {
        uv_timer_start(&b->timer, on_timer, (uint64_t)timeout_ms, 0);
    } else {
        uv_timer_stop(&b->timer);
    }
    return 0;
}

static bool is_over(const struct bare *b)
{
    if (b->count > 0 && b->n_started >= b->count)
        return true;
    return b->seconds > 0 &&
           clock_mono_us() >= b->start_us + (int64_t)b->seconds * 1000000;
}

// Sets the URL: the host's address is 127.0.0.1 or one of those after it.
static void handle_aim(const struct bare *b, CURL *easy, uint64_t i)
{
    uint64_t host = INADDR_LOOPBACK + i % b->n_hosts;
    char url[64];

    (void)snprintf(url, sizeof(url), "http%s://127.%u.%u.%u:%" PRIu64 "/h/0",
                   b->authorities != NULL ? "s" : "",
                   (unsigned)(host >> 16 & 255), (unsigned)(host >> 8 & 255),
                   (unsigned)(host & 255), b->port + i % b->n_ports);
    curl_easy_setopt(easy, CURLOPT_URL, url);
}

static void handle_start(struct bare *b, CURL *easy)
{
    if (is_over(b)) {
        curl_easy_cleanup(easy);
        return;
    }
    if (b->n_hosts > 1)
        handle_aim(b, easy, b->n_started);
    b->n_started++;
    if (curl_multi_add_handle(b->multi, easy) != CURLM_OK)
        abort();
}

static double cpu_s(void)
{
    struct rusage used = { .ru_utime = { 0 } };

    (void)getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

// Each host has its connection: what is measured begins.
static void begin_measured(struct bare *b)
{
    b->n_warm = b->n_done;
    b->warm_cpu_s = cpu_s();
    b->start_us = clock_mono_us();
}

static void reap(struct bare *b)
{
    int n_left;
    CURLMsg *msg = curl_multi_info_read(b->multi, &n_left);

    while (msg != NULL) {
        CURL *easy = msg->easy_handle;
        long status = 0;

        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
        if (msg->data.result == CURLE_OK && status == 200) {
            if (++b->n_done == b->n_hosts && b->n_hosts > 1)
                begin_measured(b);
        } else {
            b->n_failed++;
        }
        b->last_us = clock_mono_us();
        curl_multi_remove_handle(b->multi, easy);
        handle_start(b, easy);
        msg = curl_multi_info_read(b->multi, &n_left);
    }
}

static void turn(struct bare *b)
{
    int n_running;

    reap(b);
    while (b->is_due) {
        b->is_due = false;
        curl_multi_socket_action(b->multi, CURL_SOCKET_TIMEOUT, 0, &n_running);
        reap(b);
    }
}

static void on_check(uv_check_t *check)
{
    struct bare *b = check->data;

    turn(b);
    if (b->n_done + b->n_failed >= b->n_started && is_over(b))
        uv_stop(&b->loop);
}

static size_t on_body(const char *at, size_t each_bytes, size_t n, void *data)
{
    (void)at;
    (void)data;
    return each_bytes * n;
}

static CURL *handle_new(struct bare *b, uint64_t i)
{
    CURL *easy = curl_easy_init();

    if (easy == NULL)
        abort();
    handle_aim(b, easy, i);
    if (b->authorities != NULL)
        curl_easy_setopt(easy, CURLOPT_CAINFO, b->authorities);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
                     b->is_http2 != 0 ? CURL_HTTP_VERSION_2TLS
                                      : CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_PIPEWAIT, (long)b->is_http2);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, b->body);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)b->body_bytes);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, b->headers);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_socket_close);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, b);
    return easy;
}

// The headers of a signed delivery, as constants.
static struct curl_slist *headers_new(void)
{
    static const char signature[] =
        "Pulumi-Webhook-Signature: d56b77df4dd68e623988b326d5e3c13d"
        "62906ba54d45f497aebb8347f24dec13";
    static const char *const lines[] = {
        "Content-Type: application/json",
        "User-Agent: bareloop/1",
        "Expect:",
        "Pulumi-Webhook-Id: 78b505ba-d533-4e1d-a855-2b4d903c87aa",
        "Pulumi-Webhook-Kind: stack_update",
        signature,
        "webhook-id: 78b505ba-d533-4e1d-a855-2b4d903c87aa",
        "webhook-timestamp: 1795176000",
        "webhook-signature: v1,1Wt3301tjmI5iLMm1ePF1iZgassUdfSX64EQ=8yTexM=",
    };
    struct curl_slist *list = NULL;

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        list = curl_slist_append(list, lines[i]);
        if (list == NULL)
            abort();
    }
    return list;
}

static void prepare(struct bare *b)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        abort();
    uv_loop_init(&b->loop);
    uv_check_init(&b->loop, &b->check);
    uv_timer_init(&b->loop, &b->timer);
    b->check.data = b;
    b->timer.data = b;
    b->body = xmalloc(b->body_bytes);
    memset(b->body, 'x', b->body_bytes);
    b->headers = headers_new();
    b->multi = curl_multi_init();
    curl_multi_setopt(b->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(b->multi, CURLMOPT_SOCKETDATA, b);
    curl_multi_setopt(b->multi, CURLMOPT_TIMERFUNCTION, on_timeout);
    curl_multi_setopt(b->multi, CURLMOPT_TIMERDATA, b);
    curl_multi_setopt(b->multi, CURLMOPT_MAXCONNECTS,
                      (long)(b->n_handles + b->n_hosts));
}

static void run(struct bare *b)
{
    b->start_us = clock_mono_us();
    b->last_us = b->start_us;
    for (uint64_t i = 0; i < b->n_handles; i++)
        handle_start(b, handle_new(b, i));
    turn(b);
    uv_check_start(&b->check, on_check);
    uv_run(&b->loop, UV_RUN_DEFAULT);
}

static void report(const struct bare *b)
{
    double seconds = (double)(b->last_us - b->start_us) / 1e6;
    uint64_t n_done = b->n_done - b->n_warm;

    printf("{\"done\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"seconds\":%.6f"
           ",\"per_second\":%.1f,\"cpu_seconds\":%.6f}\n",
           n_done, b->n_failed, seconds,
           seconds > 0 ? (double)n_done / seconds : 0.0,
           cpu_s() - b->warm_cpu_s);
}

static void finish(struct bare *b)
{
    curl_multi_cleanup(b->multi); // closes the sockets and their polls
    uv_close((uv_handle_t *)&b->check, NULL);
    uv_close((uv_handle_t *)&b->timer, NULL);
    uv_run(&b->loop, UV_RUN_DEFAULT);
    if (uv_loop_close(&b->loop) != 0)
        abort();
    curl_slist_free_all(b->headers);
    free(b->body);
    curl_global_cleanup();
}

int main(int argc, char **argv)
{
    static struct bare b = {
        .n_handles = 64, .body_bytes = 1024, .n_ports = 1, .n_hosts = 1
    };
    const struct arg args[] = {
        { "--port", "first port to post to", &b.port, 1, 65535, NULL },
        { "--ports", "consecutive ones", &b.n_ports, 1, 16, NULL },
        { "--hosts", "addresses from 127.0.0.1 on, in turn", &b.n_hosts, 1,
          12000, NULL },
        { "--handles", "transfers at once", &b.n_handles, 1, 8192, NULL },
        { "--bytes", "of a body", &b.body_bytes, 1, 1U << 20, NULL },
        { "--count", "requests, 0: no limit", &b.count, 0, UINT64_C(1) << 40,
          NULL },
        { "--seconds", "0: no limit", &b.seconds, 0, 3600, NULL },
        { "--ca", "file of authorities; posts over TLS", NULL, 0, 0,
          &b.authorities },
        { "--http2", "1: by HTTP/2, if the server chooses it", &b.is_http2, 0,
          1, NULL },
    };

    args_read(argc, argv, args, sizeof(args) / sizeof(args[0]));
    if (b.port == 0 || (b.count == 0 && b.seconds == 0)) {
        fprintf(stderr, "--port and one of --count, --seconds are needed\n");
        return 2;
    }
    wire_die_with_parent();
    prepare(&b);
    run(&b);
    report(&b);
    finish(&b);
    return b.n_failed == 0 ? 0 : 1;
}
