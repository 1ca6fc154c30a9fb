// SPDX-License-Identifier: MIT
// receiver.c — the receiver of `posthorn bench`, in a thread of its own.
//
// Each request says when its event was due; the time since then is its latency.
// Everything except two counters belongs to the thread until it has ended.

#include "api/cli/bench/receiver.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "api/cli/receiver/listen.h"
#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/http/http.h"
#include "common/log/log.h"

#define BODY_MAX_BYTES ((size_t)8 << 20)

struct bench_sink {
    uv_loop_t loop;
    uv_thread_t thread;
    uv_async_t stop;
    struct http_server *server;
    int fd;
    unsigned port;
    atomic_uint_fast64_t n;
    uv_mutex_t mutex; // protects the clock
    struct bench_clock clock;
    struct histogram latency;
};

// The number after `"dueUs":"` in the body. 0: there is none.
static int64_t due_of(struct str body)
{
    static const char name[] = "\"dueUs\":\"";
    const char *at = memmem(body.at, body.n_bytes, name, sizeof(name) - 1);
    int64_t due_us = 0;

    if (at == NULL)
        return 0;
    for (at += sizeof(name) - 1; at < body.at + body.n_bytes; at++) {
        if (*at < '0' || *at > '9')
            break;
        due_us = due_us * 10 + (*at - '0');
    }
    return due_us;
}

static void on_request(void *data, struct http_request *r)
{
    static const struct http_response ok = { .status = 200 };
    struct bench_sink *s = data;
    int64_t now_us = clock_mono_us();
    int64_t due_us = due_of(r->body);

    if (due_us > 0) {
        atomic_fetch_add(&s->n, 1);
        histogram_put(&s->latency, now_us - due_us);
        uv_mutex_lock(&s->mutex);
        bench_clock_put(&s->clock, now_us, now_us - due_us);
        uv_mutex_unlock(&s->mutex);
    }
    http_respond(r, &ok);
}

static void on_drained(void *data)
{
    struct bench_sink *s = data;

    http_server_free(s->server);
    uv_close((uv_handle_t *)&s->stop, NULL);
}

static void on_stop(uv_async_t *async)
{
    struct bench_sink *s = async->data;

    http_server_drain(s->server, on_drained, s);
}

static void run_thread(void *data)
{
    struct bench_sink *s = data;

    uv_run(&s->loop, UV_RUN_DEFAULT);
}

static bool start(struct bench_sink *s)
{
    s->stop.data = s;
    return uv_loop_init(&s->loop) == 0 && uv_mutex_init(&s->mutex) == 0 &&
           uv_async_init(&s->loop, &s->stop, on_stop) == 0 &&
           listen_serve(&s->loop, s->fd, BODY_MAX_BYTES, on_request, s,
                        &s->server) == OK &&
           uv_thread_create(&s->thread, run_thread, s) == 0;
}

struct bench_sink *bench_sink_start(const char *address)
{
    struct bench_sink *s = xcalloc(1, sizeof(*s));

    s->fd = listen_on("bench", address);
    if (s->fd < 0) {
        free(s);
        return NULL;
    }
    s->port = listen_port(s->fd);
    histogram_reset(&s->latency);
    bench_clock_init(&s->clock, clock_mono_us());
    if (!start(s))
        log_panic("the receiver cannot be started", "");
    return s;
}

unsigned bench_sink_port(const struct bench_sink *s)
{
    return s->port;
}

uint64_t bench_sink_count(const struct bench_sink *s)
{
    return atomic_load(&s->n);
}

struct bench_second bench_sink_last(struct bench_sink *s)
{
    struct bench_second last = { 0 };

    uv_mutex_lock(&s->mutex);
    if (s->clock.n_timeline > 0)
        last = s->clock.timeline[s->clock.n_timeline - 1];
    uv_mutex_unlock(&s->mutex);
    return last;
}

void bench_sink_stop(struct bench_sink *s, struct histogram *latency,
                     struct bench_second *timeline, size_t *n_timeline,
                     int64_t started_us)
{
    size_t skip;

    uv_async_send(&s->stop);
    uv_thread_join(&s->thread);
    bench_clock_end(&s->clock);
    *latency = s->latency;
    // The timeline began when the receiver was started, a little before the run.
    skip = (size_t)((started_us - s->clock.started_us) / 1000000);
    *n_timeline = s->clock.n_timeline > skip ? s->clock.n_timeline - skip : 0;
    if (*n_timeline > 0) {
        memcpy(timeline, s->clock.timeline + skip,
               *n_timeline * sizeof(*timeline));
    }
}

void bench_sink_free(struct bench_sink *s)
{
    free(s->clock.timeline);
    uv_mutex_destroy(&s->mutex);
    uv_loop_close(&s->loop);
    free(s);
}
