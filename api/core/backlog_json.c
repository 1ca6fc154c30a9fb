// SPDX-License-Identifier: MIT
// backlog_json.c — how full an organization's quota is, as JSON.

#include "api/core/backlog_json.h"

#include <inttypes.h>

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

static bool take_paused(void *data, const struct hook *hook)
{
    *(bool *)data = hook->active && hook->paused;
    return false;
}

static void put_fullest(const struct api *api, const struct org_backlog *b,
                        struct buf *out)
{
    const char *separator = "";
    bool is_paused;

    buf_puts(out, ",\"fullest\":[");
    for (size_t i = 0; i < BACKLOG_FULLEST; i++) {
        const struct hook_backlog *hook = &b->fullest[i];

        if (hook->hook_id == 0)
            continue;
        buf_printf(out, "%s{", separator);
        request_put_hook(api, hook->hook_id, out);
        is_paused = false;
        if (hook_get_by_no(api->hooks, hook->hook_id, take_paused,
                           &is_paused) != OK)
            is_paused = false; // the hook was deleted
        buf_printf(out,
                   "\"paused\":%s,\"waiting\":%" PRIu64
                   ",\"waitingBytes\":%" PRIu64 "}",
                   is_paused ? "true" : "false", hook->n_rows,
                   hook_backlog_bytes(hook));
        separator = ",";
    }
    buf_putc(out, ']');
}

void backlog_put_org(const struct api *api, const struct org_backlog *b,
                     struct buf *out)
{
    struct backlog_share share;

    backlog_share_now(api->config, b, &share);
    buf_printf(out,
               "\"waiting\":%" PRIu64 ",\"waitingBytes\":%" PRIu64
               ",\"quotaBytes\":%" PRIu64 ",\"percent\":%u",
               b->n_rows, share.n_bytes, share.quota_bytes, share.percent);
    buf_printf(out, ",\"bytesPerSecond\":%" PRId64 ",\"refusing\":%s",
               b->growth, share.is_full ? "true" : "false");
    if (share.full_in_s >= 0 && share.full_in_s < 10L * 365 * 24 * 3600) {
        buf_printf(out, ",\"refusesAt\":%" PRId64,
                   clock_now_ms() + share.full_in_s * 1000);
    } else {
        buf_puts(out, ",\"refusesAt\":null");
    }
    put_fullest(api, b, out);
}
