// SPDX-License-Identifier: MIT
// stats_routes.c — handler of the routes that show statistics.

#include "api/deliveries/handlers.h"

#include <inttypes.h>

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

static void put_counts(const struct stats *s, struct buf *out)
{
    const char *separator = "";
    uint64_t n = 0;

    for (unsigned i = DELIVERY_DELIVERED; i <= DELIVERY_CANCELLED; i++)
        n += s->states[i];
    buf_printf(out, "\"attempts\":%" PRIu64 ",\"outcomes\":{", n);
    for (unsigned i = DELIVERY_DELIVERED; i <= DELIVERY_CANCELLED; i++) {
        buf_printf(out, "%s\"%s\":%" PRIu64, separator,
                   delivery_state_name((enum delivery_state)i), s->states[i]);
        separator = ",";
    }
    buf_puts(out, "},\"errors\":{");
    separator = "";
    for (unsigned i = ERROR_NONE + 1; i < ERROR_CLASSES; i++) {
        if (s->errors[i] == 0)
            continue;
        buf_printf(out, "%s\"%s\":%" PRIu64, separator,
                   error_name((enum error_class)i), s->errors[i]);
        separator = ",";
    }
    buf_puts(out, "},\"successRate\":");
    if (n == 0) {
        buf_puts(out, "null");
    } else {
        buf_printf(out, "%.6f", (double)s->errors[ERROR_NONE] / (double)n);
    }
}

static void put_timing(const struct stats *s, struct buf *out)
{
    const char *separator = "";

    buf_puts(out, ",\"timing\":{");
    for (unsigned i = 0; i < PHASES; i++) {
        const struct bars *b = &s->phases[i];

        buf_printf(out, "%s\"%s\":{\"n\":%" PRIu64, separator,
                   phase_name((enum phase)i), b->n);
        buf_printf(out, ",\"p50\":%" PRId64 ",\"p90\":%" PRId64,
                   bars_percentile(b, 50), bars_percentile(b, 90));
        buf_printf(out,
                   ",\"p99\":%" PRId64 ",\"p999\":%" PRId64 ",\"max\":%" PRId64
                   "}",
                   bars_percentile(b, 99), bars_percentile(b, 99.9), b->max_us);
        separator = ",";
    }
    buf_putc(out, '}');
}

static enum err put_window(struct api_request *rq, uint64_t owner_no,
                           int64_t window_s, struct buf *out)
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
    buf_printf(out, "{\"from\":%" PRId64 ",", from_s);
    put_counts(&sum, out);
    put_timing(&sum, out);
    buf_putc(out, '}');
    stats_clear(&sum);
    return err;
}

void stats_get(struct api_request *rq)
{
    struct hook_scope scope;
    uint64_t owner_no;
    struct buf body;
    enum err err = OK;

    if (!request_owner(rq, &scope, &owner_no))
        return;
    buf_init(&body, 0);
    for (size_t i = 0; i < sizeof(windows) / sizeof(windows[0]) && err == OK;
         i++) {
        buf_printf(&body, "%s\"%s\":", i == 0 ? "{" : ",", windows[i].name);
        err = put_window(rq, owner_no, windows[i].window_s, &body);
    }
    buf_putc(&body, '}');
    if (err == OK) {
        request_answer(rq, 200, buf_str(&body));
    } else {
        request_fail_store(rq, err);
    }
    buf_clear(&body);
}
