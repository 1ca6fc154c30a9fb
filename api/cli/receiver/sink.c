// SPDX-License-Identifier: MIT
// sink.c — `posthorn sink`: a receiver to try things out with.
//
// Happy path: each request is printed as one JSON line, waits for --delay-ms,
// and is answered with --status. On SIGINT or SIGTERM the waiting requests are answered
// at once, the server drains, and the exit status is 0.

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "api/cli/core/commands.h"
#include "api/cli/core/terminal.h"
#include "api/cli/receiver/listen.h"
#include "api/cli/receiver/signature_check.h"
#include "common/base/clock.h"
#include "common/base/list.h"
#include "common/base/mem.h"
#include "common/encoding/json_writer.h"
#include "common/http/http.h"

#define BODY_MAX_BYTES ((size_t)16 << 20)
#define DELAY_MAX_MS   3600000
#define US_PER_S       1000000
#define STATUS_MIN     200 // lower codes are not final answers
#define STATUS_MAX     599

struct waiting {
    struct list_node node;
    struct sink *sink;
    struct http_request *request;
    uv_timer_t timer;
};

struct sink {
    uv_loop_t loop;
    uv_signal_t signals[2];
    struct http_server *server;
    struct list waiting; // requests that are not answered yet
    struct str secret;   // borrowed from argv
    unsigned status;
    uint64_t delay_ms;
    bool is_quiet;
    bool is_draining;
};

struct sink_options {
    const char *listen;
    const char *secret;
    uint64_t status;
    uint64_t delay_ms;
    bool is_quiet;
};

// --- printing ---

static void put_time(int64_t at_us, struct json_writer *w)
{
    time_t seconds = (time_t)(at_us / US_PER_S);
    char text[32];
    struct tm tm;

    gmtime_r(&seconds, &tm);
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
    buf_printf(json_open_text(w, "time"), "%s.%06dZ", text,
               (int)(at_us % US_PER_S));
    json_close_text(w);
}

// Whether the name of header `i` appeared before it.
static bool is_repeated(const struct http_request *r, size_t i,
                        struct str wanted)
{
    struct str name, value;

    for (size_t j = 0; j < i && http_header_at(r, j, &name, &value); j++) {
        if (name.n_bytes == wanted.n_bytes &&
            strncasecmp(name.at, wanted.at, name.n_bytes) == 0)
            return true;
    }
    return false;
}

// Puts the headers, an object. It has each key once: of repeated headers, the
// first.
static void put_headers(const struct http_request *r, struct json_writer *w)
{
    struct str name, value;

    json_open_object(w, "headers");
    for (size_t i = 0; http_header_at(r, i, &name, &value); i++) {
        if (is_repeated(r, i, name))
            continue;
        json_put_key(w, name);
        json_put_str(w, NULL, value);
    }
    json_close(w);
}

static enum signature check_signature(const struct sink *s,
                                      const struct http_request *r)
{
    const struct signed_request request = {
        .pulumi = http_header(r, "pulumi-webhook-signature"),
        .id = http_header(r, "webhook-id"),
        .timestamp = http_header(r, "webhook-timestamp"),
        .standard = http_header(r, "webhook-signature"),
        .body = r->body,
    };

    return signature_check(s->secret, &request);
}

static void print_request(const struct sink *s, const struct http_request *r)
{
    struct buf line;
    struct json_writer w = json_writer(&line);

    buf_init(&line, 0);
    json_open_object(&w, NULL);
    put_time(clock_now_us(), &w);
    json_put_str(&w, "method", r->method_name);
    json_put_str(&w, "path", r->path);
    put_headers(r, &w);
    json_put_str(&w, "body", r->body);
    json_put_text(&w, "signature", signature_name(check_signature(s, r)));
    json_close(&w);
    terminal_print_line(&line);
    fflush(stdout);
}

// --- answering ---

static void respond(const struct sink *s, struct http_request *r)
{
    struct http_response response = { .status = s->status };

    http_respond(r, &response);
}

static void on_timer_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void answer_waiting(struct waiting *w)
{
    list_remove(&w->sink->waiting, &w->node);
    respond(w->sink, w->request);
    uv_close((uv_handle_t *)&w->timer, on_timer_closed);
}

static void on_delay_over(uv_timer_t *timer)
{
    answer_waiting(timer->data);
}

static void on_request(void *data, struct http_request *r)
{
    struct sink *s = data;
    struct waiting *w;

    if (!s->is_quiet)
        print_request(s, r);
    if (s->delay_ms == 0 || s->is_draining) {
        respond(s, r);
        return;
    }
    w = xcalloc(1, sizeof(*w));
    w->sink = s;
    w->request = r;
    list_push_front(&s->waiting, &w->node);
    uv_timer_init(&s->loop, &w->timer);
    w->timer.data = w;
    uv_timer_start(&w->timer, on_delay_over, s->delay_ms, 0);
}

// --- the process ---

static void on_drained(void *data)
{
    struct sink *s = data;

    uv_stop(&s->loop);
}

static void on_signal(uv_signal_t *handle, int signum)
{
    struct sink *s = handle->data;

    (void)signum;
    if (s->is_draining) { // the second signal ends it at once
        uv_stop(&s->loop);
        return;
    }
    s->is_draining = true;
    while (s->waiting.first != NULL)
        answer_waiting(LIST_FIRST(&s->waiting, struct waiting, node));
    http_server_drain(s->server, on_drained, s);
}

// Starts the server. On an error stderr has the reason.
static enum err start(struct sink *s, int fd)
{
    static const int signums[] = { SIGINT, SIGTERM };

    if (uv_loop_init(&s->loop) != 0)
        return ERR_IO;
    for (size_t i = 0; i < sizeof(signums) / sizeof(signums[0]); i++) {
        uv_signal_init(&s->loop, &s->signals[i]);
        s->signals[i].data = s;
        if (uv_signal_start(&s->signals[i], on_signal, signums[i]) != 0)
            return ERR_IO;
    }
    return listen_serve(&s->loop, fd, BODY_MAX_BYTES, on_request, s,
                        &s->server);
}

// Runs the sink. Its memory is not freed before the process ends, since the loop may
// still hold handles.
static int run(const struct sink_options *options)
{
    struct sink *s = xcalloc(1, sizeof(*s));
    int fd;

    s->secret = str_of(options->secret);
    s->status = (unsigned)options->status;
    s->delay_ms = options->delay_ms;
    s->is_quiet = options->is_quiet;
    signal(SIGPIPE, SIG_IGN);
    fd = listen_on("sink", options->listen);
    if (fd < 0)
        return EXIT_FAILED;
    if (start(s, fd) != OK) {
        fprintf(stderr, "posthorn sink: cannot serve on %s\n", options->listen);
        return EXIT_FAILED;
    }
    fprintf(stderr, "posthorn sink: listening on %s\n", options->listen);
    uv_run(&s->loop, UV_RUN_DEFAULT);
    fflush(stdout);
    _exit(0);
}

int command_sink(const struct args *args)
{
    struct sink_options chosen = { .listen = args_text(args, "listen"),
                                   .secret = args_text(args, "secret"),
                                   .is_quiet = args_has(args, "quiet") };

    if (chosen.listen == NULL)
        return command_misused(args->command, "--listen is needed");
    if (!args_number(args, "status", STATUS_MIN, STATUS_MAX, 200,
                     &chosen.status) ||
        !args_number(args, "delay-ms", 0, DELAY_MAX_MS, 0, &chosen.delay_ms))
        return EXIT_USAGE;
    return run(&chosen);
}
