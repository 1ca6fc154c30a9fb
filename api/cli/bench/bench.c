// SPDX-License-Identifier: MIT
// bench.c — `posthorn bench`: measures delivery latency.
//
// Happy path: a receiver is started in this process, webhooks are made that
// point at it, events are posted, and each arrival gives the latency of its event.
// With --target, requests go straight to that receiver. Webhooks are deleted at
// the end, also after Ctrl-C, which ends the load and shows what was measured so far.

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/cli/bench/html.h"
#include "api/cli/bench/load.h"
#include "api/cli/bench/receiver.h"
#include "api/cli/bench/report.h"
#include "api/cli/core/api_client.h"
#include "api/cli/core/commands.h"
#include "api/cli/core/output.h"
#include "api/cli/core/terminal.h"
#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/encoding/crypto.h"
#include "common/encoding/json_writer.h"
#include "common/encoding/url.h"

#define SECONDS_MAX    3600
#define COUNT_MAX      10000000
#define ARRIVE_WAIT_US INT64_C(20000000)
#define STATS_WAIT_US  INT64_C(8000000)
#define POLL_US        100000
#define KIND           "bench.event"

struct bench {
    const struct args *args;
    struct bench_load load;
    struct bench_sink *sink;  // NULL: with --target
    struct bench_clock clock; // with --target
    struct bench_result result;
    uint64_t fan_out;
    char org[64];
    char **hooks; // paths, owned
    size_t n_hooks;
    int64_t started_us;
    bool is_shown;
};

// --- what is asked for ---

static bool is_loopback(const char *text)
{
    struct url url;
    struct in_addr v4;

    if (url_parse(str_of(text), &url, NULL) != OK)
        return false;
    if (inet_pton(AF_INET, url.host, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    return strcmp(url.host, "localhost") == 0 || strcmp(url.host, "[::1]") == 0;
}

static bool may_reach(const struct args *args, const char *url)
{
    if (args_has(args, "allow-remote") || is_loopback(url))
        return true;
    command_failed(args->command,
                   "%s is not on this machine; --allow-remote permits it", url);
    return false;
}

static bool read_rate(const struct args *args, double *out)
{
    const char *text = args_text(args, "rate");
    char *end = NULL;

    *out = args_has(args, "concurrency") ? 0 : 100;
    if (text == NULL)
        return true;
    *out = strtod(text, &end);
    if (end != text && *end == '\0' && *out > 0 && *out <= 100000 &&
        !args_has(args, "concurrency"))
        return true;
    command_misused(args->command, "--rate must be a number up to 100000, "
                                   "without --concurrency");
    return false;
}

static bool read_options(struct bench *b)
{
    const struct args *args = b->args;

    return read_rate(args, &b->load.rate) &&
           args_number(args, "concurrency", 1, 1000, 1, &b->load.concurrency) &&
           args_number(args, "duration", 1, SECONDS_MAX, 10,
                       &b->load.seconds) &&
           args_number(args, "count", 1, COUNT_MAX, COUNT_MAX,
                       &b->load.count) &&
           args_number(args, "payload-bytes", 100, 200000, 1024,
                       &b->load.payload_bytes) &&
           args_number(args, "fan-out", 1, 100, 1, &b->fan_out);
}

// --- while it runs ---

static void put_live(struct bench *b)
{
    struct bench_second last = { 0 };
    double seconds = (double)(clock_mono_us() - b->started_us) / 1e6;
    struct buf line;

    if (!b->is_shown)
        return;
    if (b->sink != NULL) {
        last = bench_sink_last(b->sink);
    } else if (b->clock.n_timeline > 0) {
        last = b->clock.timeline[b->clock.n_timeline - 1];
    }
    buf_init(&line, 0);
    buf_printf(&line,
               "%.1f of %" PRIu64 " s  %" PRIu64 " sent  %" PRIu64
               " answered  ",
               seconds, b->load.seconds, b->load.n_sent, b->load.n_accepted);
    if (b->sink != NULL)
        buf_printf(&line, "%" PRIu64 " arrived  ", bench_sink_count(b->sink));
    buf_puts(&line, "p50 ");
    terminal_put_duration(&line, last.p50);
    buf_puts(&line, "  p99 ");
    terminal_put_duration(&line, last.p99);
    fprintf(stderr, "\r\033[K%s", buf_cstr(&line));
    buf_clear(&line);
}

static void on_tick(void *data)
{
    put_live(data);
}

static void on_latency(void *data, int64_t at_us, int64_t latency_us)
{
    struct bench *b = data;

    bench_clock_put(&b->clock, at_us, latency_us);
}

// --- webhooks ---

static bool make_hook(struct bench *b, const char *receiver, uint64_t i)
{
    struct client_call call = { .method = "POST", .is_whole = true };
    struct buf path, body, answer;
    struct json_writer w = json_writer(&body);
    struct json *json;
    bool is_good = false;

    buf_init(&path, 0);
    buf_init(&body, 0);
    buf_init(&answer, 0);
    buf_puts(&path, "/api/orgs");
    client_put_segment(&path, b->org);
    buf_puts(&path, "/hooks");
    json_open_object(&w, NULL);
    json_put_text(&w, "organizationName", b->org);
    json_put_text(&w, "displayName", "bench");
    buf_printf(json_open_text(&w, "payloadUrl"), "http://%s/%" PRIu64, receiver,
               i);
    json_close_text(&w);
    json_put_bool(&w, "active", true);
    json_open_array(&w, "filters");
    json_put_text(&w, NULL, KIND);
    json_close(&w);
    json_close(&w);
    call.path = buf_cstr(&path);
    call.body = buf_str(&body);
    if (client_request(b->args, &call, &answer) == OK &&
        client_read(b->args->command, &answer, &json)) {
        char *name =
            xstrndup(json_str(json_get(json_root(json), "name")).at,
                     json_str(json_get(json_root(json), "name")).n_bytes);

        client_put_segment(&path, name);
        b->hooks[b->n_hooks++] = xstrdup(buf_cstr(&path));
        free(name);
        json_free(json);
        is_good = true;
    }
    buf_clear(&answer);
    buf_clear(&body);
    buf_clear(&path);
    return is_good;
}

static void delete_hooks(struct bench *b)
{
    for (size_t i = 0; i < b->n_hooks; i++) {
        struct client_call call = { .method = "DELETE",
                                    .path = b->hooks[i],
                                    .is_whole = true };
        struct buf answer;

        buf_init(&answer, 0);
        if (client_request(b->args, &call, &answer) != OK)
            command_failed(b->args->command, "not deleted: %s", b->hooks[i]);
        buf_clear(&answer);
        free(b->hooks[i]);
    }
    free(b->hooks);
}

static bool make_hooks(struct bench *b, const char *listen)
{
    size_t n_host =
        listen != NULL ? (size_t)(strrchr(listen, ':') - listen) : 0;
    char *receiver = xasprintf("%.*s:%u", listen != NULL ? (int)n_host : 9,
                               listen != NULL ? listen : "127.0.0.1",
                               bench_sink_port(b->sink));
    bool is_good = true;

    b->hooks = xcalloc(b->fan_out, sizeof(*b->hooks));
    for (uint64_t i = 0; i < b->fan_out && is_good; i++)
        is_good = make_hook(b, receiver, i);
    free(receiver);
    usleep(300000); // until the dispatchers know the webhooks
    return is_good;
}

// --- what the engine says ---

static bool read_stats(struct bench *b, struct json **out)
{
    struct client_call call = { .method = "GET", .is_whole = true };
    struct buf path, answer;
    bool is_good;

    buf_init(&path, 0);
    buf_init(&answer, 0);
    buf_puts(&path, "/api/orgs");
    client_put_segment(&path, b->org);
    buf_puts(&path, "/stats");
    call.path = buf_cstr(&path);
    is_good = client_request(b->args, &call, &answer) == OK &&
              client_read(b->args->command, &answer, out);
    buf_clear(&answer);
    buf_clear(&path);
    return is_good;
}

static void add_engine_phases(struct bench *b, const struct json_value *hour)
{
    static const struct {
        const char *key, *name, *meaning;
    } phases[] = {
        { "queueUs", "queue", "in the engine: from acceptance to the attempt" },
        { "dnsUs", "dns", "of new connections" },
        { "connectUs", "connect", "of new connections" },
        { "firstByteUs", "firstByte", "of the attempt" },
        { "totalUs", "attempt", "from its start to the end of the answer" },
    };
    const struct json_value *timing = json_get(hour, "timing");
    struct bench_result *r = &b->result;

    for (size_t i = 0; i < sizeof(phases) / sizeof(phases[0]); i++) {
        const struct json_value *v = json_get(timing, phases[i].key);

        if (json_int_or_zero(json_get(v, "n")) == 0 ||
            r->n_phases == BENCH_PHASES_MAX)
            continue;
        r->phases[r->n_phases++] = (struct bench_phase){
            .name = phases[i].name,
            .meaning = phases[i].meaning,
            .n = (uint64_t)json_int_or_zero(json_get(v, "n")),
            .p50 = json_int_or_zero(json_get(v, "p50")),
            .p90 = json_int_or_zero(json_get(v, "p90")),
            .p99 = json_int_or_zero(json_get(v, "p99")),
            .p999 = json_int_or_zero(json_get(v, "p999")),
            .max = json_int_or_zero(json_get(v, "max"))
        };
    }
}

// Asks for the engine's own statistics, which are complete after some seconds.
static void ask_engine(struct bench *b)
{
    int64_t until_us = clock_mono_us() + STATS_WAIT_US;
    bool is_complete = false;

    while (!is_complete) {
        struct json *json;
        const struct json_value *hour;
        bool is_last = clock_mono_us() > until_us || terminal_is_interrupted();

        if (!read_stats(b, &json))
            return;
        hour = json_get(json_root(json), "1h");
        is_complete = json_int_or_zero(json_get(hour, "attempts")) >=
                      (int64_t)b->result.n_expected;
        if (is_complete || is_last)
            add_engine_phases(b, hour);
        json_free(json);
        if (is_last)
            return;
        usleep(POLL_US * 2);
    }
}

// --- the two ways ---

static void wait_for_arrivals(struct bench *b)
{
    int64_t over_us = clock_mono_us();

    b->result.n_expected = b->load.n_accepted * b->fan_out;
    while (bench_sink_count(b->sink) < b->result.n_expected &&
           clock_mono_us() - over_us < bench_patience_us(ARRIVE_WAIT_US)) {
        put_live(b);
        usleep(POLL_US);
    }
}

static bool run_through_engine(struct bench *b)
{
    const char *org = args_text(b->args, "org");
    const char *listen = args_text(b->args, "listen");
    struct histogram *latency = xcalloc(1, sizeof(*latency));
    struct client_target at = { .api = NULL };
    uint8_t random[4];
    char *url = NULL;
    bool is_good = client_target(b->args, &at) == OK;

    crypto_random(random, sizeof(random));
    snprintf(b->org, sizeof(b->org), "posthorn-bench-%02x%02x%02x%02x",
             random[0], random[1], random[2], random[3]);
    if (org != NULL)
        snprintf(b->org, sizeof(b->org), "%s", org);
    is_good =
        is_good && may_reach(b->args, at.api) && may_reach(b->args, at.ingest);
    if (is_good)
        b->sink = bench_sink_start(listen);
    is_good = is_good && b->sink != NULL;
    if (is_good && make_hooks(b, listen)) {
        url = xasprintf("%s/api/orgs/%s/events", at.ingest, b->org);
        b->load.url = url;
        b->load.proxy = client_proxy(b->args);
        b->load.trust = trust_of(b->args, at.ingest_pins);
        b->load.token = at.token;
        b->load.kind = KIND;
        b->started_us = clock_mono_us();
        bench_load_run(&b->load);
        wait_for_arrivals(b);
        b->result.n_delivered = bench_sink_count(b->sink);
        bench_sink_stop(b->sink, latency, b->result.timeline,
                        &b->result.n_timeline, b->started_us);
        bench_add_phase(&b->result, "delivery",
                        "from when it was due to its arrival", latency);
        bench_add_phase(&b->result, "accept", "from when it was due to the 202",
                        b->load.latency);
        bench_set_curve(&b->result, latency);
        ask_engine(b);
    } else {
        is_good = false;
        if (b->sink != NULL) {
            bench_sink_stop(b->sink, latency, b->result.timeline,
                            &b->result.n_timeline, 0);
        }
    }
    snprintf(b->result.target, sizeof(b->result.target), "%s",
             at.api != NULL ? at.api : "");
    delete_hooks(b);
    if (b->sink != NULL)
        bench_sink_free(b->sink);
    free(latency);
    free(url);
    client_target_clear(&at);
    return is_good;
}

static bool run_to_target(struct bench *b, const char *target)
{
    struct bench_result *r = &b->result;

    if (!may_reach(b->args, target))
        return false;
    snprintf(r->target, sizeof(r->target), "%s", target);
    b->load.url = target;
    b->load.trust = trust_of(b->args, "");
    b->load.proxy = client_proxy(b->args);
    b->load.on_latency = on_latency;
    b->started_us = clock_mono_us();
    bench_clock_init(&b->clock, b->started_us);
    bench_load_run(&b->load);
    bench_clock_end(&b->clock);
    r->n_expected = b->load.n_sent;
    r->n_delivered = b->load.n_accepted;
    r->n_timeline = b->clock.n_timeline;
    memcpy(r->timeline, b->clock.timeline,
           r->n_timeline * sizeof(*r->timeline));
    free(b->clock.timeline);
    bench_add_phase(r, "delivery", "from when it was due to its answer",
                    b->load.latency);
    bench_add_phase(r, "dns", "of new connections", b->load.dns);
    bench_add_phase(r, "connect", "of new connections", b->load.connect);
    bench_add_phase(r, "tls", "of new connections", b->load.tls);
    bench_add_phase(r, "firstByte", "from the start of the request",
                    b->load.first_byte);
    bench_add_phase(r, "request", "from its start to the end of the answer",
                    b->load.took);
    bench_set_curve(r, b->load.latency);
    return true;
}

// --- the end ---

static bool write_file(const struct args *args, const char *path,
                       const struct buf *text)
{
    struct output o;

    if (!output_begin(args, path, &o))
        return false;
    fwrite(text->at, 1, text->n_bytes, o.file);
    return output_end(args, &o, true);
}

static bool compare_with(const struct args *args, const char *was_path,
                         const struct buf *is_text)
{
    struct json *was = NULL, *is = NULL;
    struct buf was_text;
    bool is_good;

    buf_init(&was_text, 0);
    is_good = client_read_file(args->command, was_path, &was_text) &&
              client_read(args->command, &was_text, &was) &&
              client_read(args->command, is_text, &is) &&
              bench_compare(args->command, json_root(was), json_root(is));
    json_free(was);
    json_free(is);
    buf_clear(&was_text);
    return is_good;
}

static int report(struct bench *b)
{
    const struct args *args = b->args;
    const char *output = args_text(args, "output");
    const char *html = args_text(args, "html");
    const char *compare = args_text(args, "compare");
    struct buf json, page;
    bool is_good = true;

    buf_init(&json, 0);
    buf_init(&page, 0);
    bench_json(&b->result, &json);
    if (args_has(args, "json")) {
        printf("%.*s\n", STR_ARG(buf_str(&json)));
    } else {
        bench_print(&b->result);
    }
    if (b->load.first_fault[0] != '\0')
        fprintf(stderr, "the first fault: %s\n", b->load.first_fault);
    if (b->result.n_delivered == 0 && b->sink != NULL) {
        fputs("Nothing arrived. May the engine deliver to the receiver's "
              "address? See the setting endpoint_allow.\n",
              stderr);
    }
    if (output != NULL)
        is_good = write_file(args, output, &json);
    if (html != NULL) {
        bench_html(&b->result, &page);
        is_good = write_file(args, html, &page) && is_good;
    }
    if (compare != NULL)
        is_good = compare_with(args, compare, &json) && is_good;
    buf_clear(&page);
    buf_clear(&json);
    return is_good && b->result.n_delivered > 0 ? 0 : EXIT_FAILED;
}

static int compare_files(const struct args *args)
{
    struct buf text;
    bool is_good;

    if (!args_has(args, "compare"))
        return command_misused(args->command, "--with needs --compare");
    buf_init(&text, 0);
    is_good = client_read_file(args->command, args_text(args, "with"), &text) &&
              compare_with(args, args_text(args, "compare"), &text);
    buf_clear(&text);
    return is_good ? 0 : EXIT_FAILED;
}

int command_bench(const struct args *args)
{
    struct bench *b;
    const char *target = args_text(args, "target");
    bool is_good;
    int status = EXIT_FAILED;

    if (args_has(args, "with"))
        return compare_files(args);
    b = xcalloc(1, sizeof(*b));
    b->args = args;
    b->load.data = b;
    b->load.on_tick = on_tick;
    b->is_shown = isatty(STDERR_FILENO) != 0;
    if (!read_options(b)) {
        free(b);
        return EXIT_USAGE;
    }
    b->result.timeline =
        xcalloc(BENCH_SECONDS_MAX, sizeof(*b->result.timeline));
    terminal_catch_interrupts();
    is_good = target != NULL ? run_to_target(b, target) : run_through_engine(b);
    if (b->is_shown)
        fputs("\r\033[K", stderr);
    if (is_good) {
        struct bench_result *r = &b->result;

        r->seconds = (double)(clock_mono_us() - b->started_us) / 1e6;
        if (r->seconds > (double)b->load.seconds)
            r->seconds = (double)b->load.seconds;
        r->rate = b->load.rate;
        r->concurrency = b->load.rate > 0 ? 0 : b->load.concurrency;
        r->payload_bytes = b->load.payload_bytes;
        r->fan_out = target != NULL ? 1 : b->fan_out;
        r->n_sent = b->load.n_sent;
        r->n_accepted = b->load.n_accepted;
        r->n_refused = b->load.n_refused;
        r->n_lost = b->load.n_lost;
        status = report(b);
    }
    bench_load_clear(&b->load);
    free(b->result.timeline);
    free(b);
    return status;
}
