// SPDX-License-Identifier: MIT
// backlog_json.c — how full an organization's quota is, as JSON.

#include "api/core/backlog_json.h"

#include "api/core/api_request.h"
#include "common/base/clock.h"
#include "common/process/metrics.h"

static uint64_t log_bytes(void)
{
    int64_t n = metrics_sum_gauge(GAUGE_QUEUE_BYTES, "ingest");

    return n > 0 ? (uint64_t)n : 0;
}

void backlog_share_now(const struct config *config, const struct org_backlog *b,
                       struct backlog_share *out)
{
    backlog_share(b, config, log_bytes(), out);
}

static void put_hook(const struct api *api, const struct hook_backlog *hook,
                     struct json_writer *w)
{
    json_open_object(w, NULL);
    request_put_hook(api, hook->hook_id, w);
    json_put_bool(w, "paused", request_hook_rests(api, hook->hook_id));
    json_put_u64(w, "waiting", hook->n_rows);
    json_put_u64(w, "waitingBytes", hook_backlog_bytes(hook));
    json_close(w);
}

void backlog_put_org(const struct api *api, const struct org_backlog *b,
                     struct json_writer *w)
{
    struct backlog_share share;

    backlog_share_now(api->config, b, &share);
    json_put_u64(w, "waiting", b->n_rows);
    json_put_u64(w, "waitingBytes", share.n_bytes);
    json_put_u64(w, "quotaBytes", share.quota_bytes);
    json_put_u64(w, "percent", share.percent);
    json_put_i64(w, "bytesPerSecond", b->growth);
    json_put_bool(w, "refusing", share.is_full);
    if (share.full_in_s >= 0 && share.full_in_s < 10L * 365 * 24 * 3600) {
        json_put_i64(w, "refusesAt", clock_now_ms() + share.full_in_s * 1000);
    } else {
        json_put_null(w, "refusesAt");
    }
    json_open_array(w, "fullest");
    for (size_t i = 0; i < BACKLOG_FULLEST; i++) {
        if (b->fullest[i].hook_id != 0)
            put_hook(api, &b->fullest[i], w);
    }
    json_close(w);
}
