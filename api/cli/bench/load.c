// SPDX-License-Identifier: MIT
// load.c — sends events, at a rate or with a number of connections.
//
// Happy path: event i is due at start + i / rate, whether or not earlier ones
// have been answered, and its latency counts from then: a stall adds to the latency of
// every event that was due meanwhile (no coordinated omission). With a concurrency
// instead of a rate, an event is due when the answer before it has come.
//
// The run is bounded in time and count. An interrupt ends it, and the result is what
// was measured so far.

#include "api/cli/bench/load.h"

#include <curl/curl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/cli/core/terminal.h"
#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/encoding/json_writer.h"

#define OPEN_MAX            256 // requests at once in an open loop
#define WAIT_MS             1
#define TIMEOUT_S           30L
#define TICK_US             200000
#define END_WAIT_US         INT64_C(35000000)
#define INTERRUPTED_WAIT_US INT64_C(2000000)
#define ANSWER_BYTES        160

struct request {
    struct request *next; // in the list of free requests
    CURL *easy;
    struct buf body;
    size_t seq_stamp, due_stamp; // offsets in the body of what is written late
    int64_t due_us;
    char answer[ANSWER_BYTES + 1];
    size_t n_answer;
};

struct running {
    struct bench_load *load;
    CURLM *multi;
    struct curl_slist *headers;
    struct request *requests, *free;
    size_t n_requests, n_open;
    int64_t started_us, ended_us, ticked_us;
};

// --- requests ---

static size_t on_body(char *at, size_t one, size_t n_bytes, void *data)
{
    struct request *r = data;
    size_t room = ANSWER_BYTES - r->n_answer;
    size_t n = n_bytes < room ? n_bytes : room;

    (void)one;
    memcpy(r->answer + r->n_answer, at, n);
    r->n_answer += n;
    return n_bytes;
}

// Appends the place of a stamp, which is written when the request is sent; returns where
// it is. Stamps have 16 digits with leading zeros, which JSON numbers do not allow, so
// they are strings.
static size_t put_stamp(struct json_writer *w, const char *key)
{
    size_t at;

    json_open_text(w, key);
    at = w->out->n_bytes;
    buf_printf(w->out, "%016d", 0);
    json_close_text(w);
    return at;
}

static void make_body(const struct bench_load *load, struct request *r)
{
    struct json_writer w = json_writer(&r->body);
    const char *payload = NULL; // the name of the member

    buf_init(&r->body, 0);
    if (load->kind != NULL) {
        payload = "payload";
        json_open_object(&w, NULL);
        json_put_text(&w, "kind", load->kind);
    }
    json_open_object(&w, payload);
    r->seq_stamp = put_stamp(&w, "seq");
    r->due_stamp = put_stamp(&w, "dueUs");
    json_open_text(&w, "pad");
    while (r->body.n_bytes + 2 < load->payload_bytes)
        buf_putc(&r->body, 'x');
    json_close_text(&w);
    json_close(&w);
    if (load->kind != NULL)
        json_close(&w);
}

static void make_request(struct running *run, struct request *r)
{
    make_body(run->load, r);
    r->easy = curl_easy_init();
    if (r->easy == NULL)
        abort(); // out of memory, as in xmalloc()
    trust_apply(&run->load->trust, r->easy);
    curl_easy_setopt(r->easy, CURLOPT_URL, run->load->url);
    curl_easy_setopt(r->easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(r->easy, CURLOPT_PROXY, run->load->proxy);
    curl_easy_setopt(r->easy, CURLOPT_NOPROXY, "");
    curl_easy_setopt(r->easy, CURLOPT_HTTPHEADER, run->headers);
    curl_easy_setopt(r->easy, CURLOPT_POSTFIELDSIZE_LARGE,
                     (curl_off_t)r->body.n_bytes);
    curl_easy_setopt(r->easy, CURLOPT_POSTFIELDS, r->body.at);
    curl_easy_setopt(r->easy, CURLOPT_TIMEOUT, TIMEOUT_S);
    curl_easy_setopt(r->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(r->easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(r->easy, CURLOPT_WRITEDATA, r);
    curl_easy_setopt(r->easy, CURLOPT_PRIVATE, r);
    r->next = run->free;
    run->free = r;
}

static void send_one(struct running *run, int64_t due_us)
{
    struct request *r = run->free;
    char digits[17];

    run->free = r->next;
    r->due_us = due_us;
    r->n_answer = 0;
    snprintf(digits, sizeof(digits), "%016" PRIu64, run->load->n_sent);
    memcpy(r->body.at + r->seq_stamp, digits, 16);
    snprintf(digits, sizeof(digits), "%016" PRId64, due_us);
    memcpy(r->body.at + r->due_stamp, digits, 16);
    run->load->n_sent++;
    run->n_open++;
    curl_multi_add_handle(run->multi, r->easy);
}

// --- answers ---

static int64_t time_of(CURL *easy, CURLINFO info)
{
    curl_off_t us = 0;

    curl_easy_getinfo(easy, info, &us);
    return us;
}

static void note_times(struct bench_load *load, const struct request *r)
{
    long n_connects = 0;
    int64_t dns = time_of(r->easy, CURLINFO_NAMELOOKUP_TIME_T);
    int64_t connect = time_of(r->easy, CURLINFO_CONNECT_TIME_T);
    int64_t tls = time_of(r->easy, CURLINFO_APPCONNECT_TIME_T);

    curl_easy_getinfo(r->easy, CURLINFO_NUM_CONNECTS, &n_connects);
    if (n_connects > 0) {
        histogram_put(load->dns, dns);
        histogram_put(load->connect, connect - dns);
        if (tls > 0)
            histogram_put(load->tls, tls - connect);
    }
    histogram_put(load->first_byte,
                  time_of(r->easy, CURLINFO_STARTTRANSFER_TIME_T));
    histogram_put(load->took, time_of(r->easy, CURLINFO_TOTAL_TIME_T));
}

static void note_fault(struct bench_load *load, const struct request *r,
                       CURLcode code, long status)
{
    if (load->first_fault[0] != '\0')
        return;
    if (code != CURLE_OK) {
        snprintf(load->first_fault, sizeof(load->first_fault), "%s",
                 curl_easy_strerror(code));
    } else {
        snprintf(load->first_fault, sizeof(load->first_fault), "%ld: %.*s",
                 status, (int)r->n_answer, r->answer);
    }
}

static void end_one(struct running *run, CURL *easy, CURLcode code)
{
    struct bench_load *load = run->load;
    int64_t now_us = clock_mono_us();
    struct request *r = NULL;
    long status = 0;

    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &r);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    curl_multi_remove_handle(run->multi, easy);
    run->n_open--;
    run->ended_us = now_us;
    if (code == CURLE_OK && status >= 200 && status <= 299) {
        load->n_accepted++;
        histogram_put(load->latency, now_us - r->due_us);
        note_times(load, r);
        if (load->on_latency != NULL)
            load->on_latency(load->data, now_us, now_us - r->due_us);
    } else {
        load->n_lost += code != CURLE_OK;
        load->n_refused += code == CURLE_OK;
        note_fault(load, r, code, status);
    }
    r->next = run->free;
    run->free = r;
}

static void take_answers(struct running *run)
{
    CURLMsg *message;
    int n_left;

    while ((message = curl_multi_info_read(run->multi, &n_left)) != NULL) {
        if (message->msg == CURLMSG_DONE)
            end_one(run, message->easy_handle, message->data.result);
    }
}

// --- the run ---

int64_t bench_patience_us(int64_t most_us)
{
    return terminal_is_interrupted() && most_us > INTERRUPTED_WAIT_US
               ? INTERRUPTED_WAIT_US
               : most_us;
}

static bool is_over(const struct running *run, int64_t now_us)
{
    const struct bench_load *load = run->load;

    return terminal_is_interrupted() ||
           (load->count > 0 && load->n_sent >= load->count) ||
           now_us - run->started_us >= (int64_t)load->seconds * 1000000;
}

static void send_due(struct running *run, int64_t now_us)
{
    const struct bench_load *load = run->load;

    while (run->free != NULL && !is_over(run, now_us)) {
        int64_t due_us = now_us;

        if (load->rate > 0) {
            due_us = run->started_us +
                     (int64_t)((double)load->n_sent * 1e6 / load->rate);
        }
        if (due_us > now_us)
            return;
        send_one(run, due_us);
    }
}

static void turn(struct running *run)
{
    int64_t now_us;
    int n;

    curl_multi_perform(run->multi, &n);
    take_answers(run);
    now_us = clock_mono_us();
    if (run->load->on_tick != NULL && now_us - run->ticked_us >= TICK_US) {
        run->ticked_us = now_us;
        run->load->on_tick(run->load->data);
    }
}

static void run_all(struct running *run)
{
    int64_t now_us = clock_mono_us();
    int64_t over_us;

    run->started_us = now_us;
    while (!is_over(run, now_us)) {
        send_due(run, now_us);
        turn(run);
        curl_multi_poll(run->multi, NULL, 0, WAIT_MS, NULL);
        now_us = clock_mono_us();
    }
    over_us = now_us;
    while (run->n_open > 0 &&
           clock_mono_us() - over_us < bench_patience_us(END_WAIT_US)) {
        turn(run);
        curl_multi_poll(run->multi, NULL, 0, WAIT_MS, NULL);
    }
    run->load->n_lost += run->n_open;
}

static struct histogram *new_histogram(void)
{
    struct histogram *h = xcalloc(1, sizeof(*h));

    histogram_reset(h);
    return h;
}

void bench_load_run(struct bench_load *load)
{
    struct running run = { .load = load };

    load->latency = new_histogram();
    load->dns = new_histogram();
    load->connect = new_histogram();
    load->tls = new_histogram();
    load->first_byte = new_histogram();
    load->took = new_histogram();
    curl_global_init(CURL_GLOBAL_DEFAULT);
    run.multi = curl_multi_init();
    run.headers = curl_slist_append(NULL, "Content-Type: application/json");
    run.headers = curl_slist_append(run.headers, "Expect:");
    if (load->token != NULL) {
        char *header = xasprintf("Authorization: token %s", load->token);

        run.headers = curl_slist_append(run.headers, header);
        free(header);
    }
    run.n_requests = load->rate > 0 ? OPEN_MAX : (size_t)load->concurrency;
    curl_multi_setopt(run.multi, CURLMOPT_MAXCONNECTS, (long)run.n_requests);
    run.requests = xcalloc(run.n_requests, sizeof(*run.requests));
    for (size_t i = 0; i < run.n_requests; i++)
        make_request(&run, &run.requests[i]);
    run_all(&run);
    for (size_t i = 0; i < run.n_requests; i++) {
        curl_multi_remove_handle(run.multi, run.requests[i].easy);
        curl_easy_cleanup(run.requests[i].easy);
        buf_clear(&run.requests[i].body);
    }
    free(run.requests);
    curl_multi_cleanup(run.multi);
    curl_slist_free_all(run.headers);
}

void bench_load_clear(struct bench_load *load)
{
    free(load->latency);
    free(load->dns);
    free(load->connect);
    free(load->tls);
    free(load->first_byte);
    free(load->took);
}
