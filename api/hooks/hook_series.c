// SPDX-License-Identifier: MIT
// hook_series.c — the last hour of a hook, slot by slot, for rows of lists.

#include "api/hooks/hook_series.h"

#include "api/core/api_request.h"
#include "common/base/clock.h"
#include "common/log/log.h"

#define SERIES_S  3600 // how far back it goes
#define SLOTS_MAX 16

static void put_counts(const char *key, const uint64_t *counts, size_t n,
                       struct json_writer *w)
{
    json_open_array(w, key);
    for (size_t i = 0; i < n; i++)
        json_put_u64(w, NULL, counts[i]);
    json_close(w);
}

void hook_series_put(const struct api *api, uint64_t hook_id,
                     struct json_writer *w)
{
    unsigned shard = queue_shard_of(hook_id, api->n_shards);
    int64_t now_s = clock_now_ms() / 1000;
    uint64_t attempts[SLOTS_MAX], succeeded[SLOTS_MAX];
    int64_t first_s, slot_s;
    size_t n = 0;
    enum err err = OK;

    stats_slots(now_s, SERIES_S, &first_s, &slot_s);
    for (int64_t at_s = first_s; at_s <= now_s && n < SLOTS_MAX && err == OK;
         at_s += slot_s) {
        struct stats sum;

        stats_init(&sum);
        err = stats_read_slot(api->shards[shard], hook_id, at_s, slot_s, &sum);
        attempts[n] = stats_attempts(&sum);
        succeeded[n++] = sum.errors[ERROR_NONE];
        stats_clear(&sum);
    }
    if (err != OK) {
        log_warn("the statistics of a hook cannot be read", "reason=%s",
                 log_quote(str_of(err_str(err))));
        json_put_null(w, "series");
        return;
    }
    json_open_object(w, "series");
    json_put_i64(w, "from", first_s);
    json_put_i64(w, "slotSeconds", slot_s);
    put_counts("attempts", attempts, n, w);
    put_counts("succeeded", succeeded, n, w);
    json_close(w);
}
