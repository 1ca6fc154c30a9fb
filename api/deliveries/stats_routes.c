// SPDX-License-Identifier: MIT
// stats_routes.c — handlers of the routes that show statistics: sums of windows, and a
// window slot by slot, which is read in slices.

#include "api/deliveries/handlers.h"

#include <string.h>

#include "api/core/api_request.h"
#include "api/json/delivery_json.h"
#include "common/base/clock.h"
#include "common/log/log.h"

static const struct {
    const char *name;
    int64_t window_s;
} windows[] = {
    { "1h", 3600 },
    { "24h", INT64_C(24) * 3600 },
    { "7d", INT64_C(7) * 24 * 3600 },
};

static void put_counts(const struct stats *s, struct json_writer *w)
{
    uint64_t n = stats_attempts(s);

    json_put_u64(w, "attempts", n);
    json_open_object(w, "outcomes");
    for (unsigned i = DELIVERY_DELIVERED; i <= DELIVERY_CANCELLED; i++) {
        json_put_u64(w, delivery_state_name((enum delivery_state)i),
                     s->states[i]);
    }
    json_close(w);
    json_open_object(w, "errors");
    for (unsigned i = ERROR_NONE + 1; i < ERROR_CLASSES; i++) {
        if (s->errors[i] > 0)
            json_put_u64(w, error_name((enum error_class)i), s->errors[i]);
    }
    json_close(w);
    if (n == 0) {
        json_put_null(w, "successRate");
    } else {
        json_put_double(w, "successRate",
                        (double)s->errors[ERROR_NONE] / (double)n, 6);
    }
}

// With `is_brief`, phases that no attempt had are left out.
static void put_timing(const struct stats *s, bool is_brief,
                       struct json_writer *w)
{
    json_open_object(w, "timing");
    for (unsigned i = 0; i < PHASES; i++) {
        const struct bars *b = &s->phases[i];

        if (is_brief && b->n == 0)
            continue;
        json_open_object(w, phase_name((enum phase)i));
        json_put_u64(w, "n", b->n);
        json_put_i64(w, "p50", bars_percentile(b, 50));
        json_put_i64(w, "p90", bars_percentile(b, 90));
        json_put_i64(w, "p99", bars_percentile(b, 99));
        json_put_i64(w, "p999", bars_percentile(b, 99.9));
        json_put_i64(w, "max", b->max_us);
        json_close(w);
    }
    json_close(w);
}

static enum err put_window(struct api_request *rq, uint64_t owner_no,
                           int64_t window_s, struct json_writer *w)
{
    unsigned n;
    unsigned shard = request_shards(rq, owner_no, &n);
    int64_t from_s = 0;
    struct stats sum;
    enum err err = OK;

    stats_init(&sum);
    for (unsigned i = 0; i < n && err == OK; i++) {
        err = stats_read(rq->api->shards[shard + i], owner_no,
                         clock_now_ms() / 1000, window_s, &sum, &from_s);
    }
    json_put_i64(w, "from", from_s);
    put_counts(&sum, w);
    put_timing(&sum, false, w);
    stats_clear(&sum);
    return err;
}

void stats_get(struct api_request *rq)
{
    struct hook_scope scope;
    uint64_t owner_no;
    struct buf body;
    struct json_writer w = json_writer(&body);
    enum err err = OK;

    if (!request_owner(rq, &scope, &owner_no))
        return;
    buf_init(&body, 0);
    json_open_object(&w, NULL);
    for (size_t i = 0; i < sizeof(windows) / sizeof(windows[0]) && err == OK;
         i++) {
        json_open_object(&w, windows[i].name);
        err = put_window(rq, owner_no, windows[i].window_s, &w);
        json_close(&w);
    }
    json_close(&w);
    if (err == OK) {
        request_answer(rq, 200, buf_str(&body));
    } else {
        request_fail_store(rq, err);
    }
    buf_clear(&body);
}

// --- a window slot by slot ---

struct series {
    struct api_request *rq;
    uint64_t owner_no;
    unsigned shard, n_shards;
    int64_t at_s, slot_s, until_s; // the next slot; the end of the last one
    struct buf body;
    struct json_writer json;
};

// The index of the window that the request names. -1: it names none; the request has
// been answered.
static int read_window(struct api_request *rq)
{
    const size_t n = sizeof(windows) / sizeof(windows[0]);
    struct buf text;
    size_t i = 0;
    enum err err;

    buf_init(&text, 0);
    err = http_query(rq->http, "window", &text);
    if (err == ERR_NOTFOUND)
        buf_puts(&text, windows[0].name);
    while (i < n && !str_is(buf_str(&text), windows[i].name))
        i++;
    if (i == n) {
        http_fail(rq->http, 400, STR_EMPTY,
                  "window: %s is not allowed; allowed: 1h, 24h or 7d",
                  log_quote(buf_str(&text)));
    }
    buf_clear(&text);
    return i < n ? (int)i : -1;
}

static enum err put_slot(struct series *s)
{
    struct json_writer *w = &s->json;
    struct stats sum;
    enum err err = OK;

    stats_init(&sum);
    for (unsigned i = 0; i < s->n_shards && err == OK; i++) {
        err = stats_read_slot(s->rq->api->shards[s->shard + i], s->owner_no,
                              s->at_s, s->slot_s, &sum);
    }
    json_open_object(w, NULL);
    json_put_i64(w, "from", s->at_s);
    put_counts(&sum, w);
    put_timing(&sum, true, w);
    json_close(w);
    stats_clear(&sum);
    return err;
}

static bool put_slots(struct api_request *rq, int64_t until_us)
{
    struct series *s = rq->data;
    enum err err = OK;

    while (err == OK && s->at_s < s->until_s) {
        err = put_slot(s);
        s->at_s += s->slot_s;
        if (clock_mono_us() >= until_us)
            break;
    }
    if (err != OK) {
        request_fail_store(rq, err);
        return true;
    }
    if (s->at_s < s->until_s)
        return false;
    json_close(&s->json);
    json_close(&s->json);
    request_answer(rq, 200, buf_str(&s->body));
    return true;
}

static void series_clear(struct api_request *rq)
{
    struct series *s = rq->data;

    buf_clear(&s->body);
}

void stats_series_get(struct api_request *rq)
{
    struct series *s = arena_take(&rq->arena, sizeof(*s));
    struct hook_scope scope;
    int64_t now_s = clock_now_ms() / 1000;
    int i;

    memset(s, 0, sizeof(*s));
    s->rq = rq;
    buf_init(&s->body, 0);
    s->json = json_writer(&s->body);
    rq->data = s;
    rq->on_free = series_clear;
    if (!request_owner(rq, &scope, &s->owner_no))
        return;
    i = read_window(rq);
    if (i < 0 || !request_count(rq))
        return;
    s->shard = request_shards(rq, s->owner_no, &s->n_shards);
    stats_slots(now_s, windows[i].window_s, &s->at_s, &s->slot_s);
    s->until_s = now_s + 1; // the last slot has begun
    json_open_object(&s->json, NULL);
    json_put_text(&s->json, "window", windows[i].name);
    json_put_i64(&s->json, "slotSeconds", s->slot_s);
    json_open_array(&s->json, "slots");
    request_work(rq, put_slots);
}
