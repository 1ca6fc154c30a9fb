// SPDX-License-Identifier: MIT
// stats_routes.c — handler of the routes that show statistics.

#include "api/deliveries/handlers.h"

#include "api/core/api_request.h"
#include "api/json/delivery_json.h"
#include "common/base/clock.h"

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
    uint64_t n = 0;

    for (unsigned i = DELIVERY_DELIVERED; i <= DELIVERY_CANCELLED; i++)
        n += s->states[i];
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

static void put_timing(const struct stats *s, struct json_writer *w)
{
    json_open_object(w, "timing");
    for (unsigned i = 0; i < PHASES; i++) {
        const struct bars *b = &s->phases[i];

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
    put_timing(&sum, w);
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
