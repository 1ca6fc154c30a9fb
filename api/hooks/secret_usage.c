// SPDX-License-Identifier: MIT
// secret_usage.c — deliveries that receivers took since a secret was replaced.
//
// Statistics have them by slot, and the secret was replaced within one: of that slot the
// history is read, up to a limit.

#include "api/hooks/secret_usage.h"

#include "common/base/clock.h"
#include "common/log/log.h"

#define ROWS_MAX 50000 // of the history: some milliseconds

struct usage {
    uint64_t n_taken;
    bool has_more; // than were counted
};

static bool count_attempt(void *data, uint64_t no,
                          const struct attempt *attempt)
{
    struct usage *u = data;

    (void)no;
    (void)attempt;
    u->n_taken++;
    return true;
}

static enum err count_slot(struct shard_view *shard, uint64_t hook_id,
                           int64_t since_ms, int64_t until_s, struct usage *u)
{
    struct history_filter filter = history_all;
    struct history_query query = { .owner_no = hook_id,
                                   .filter = &filter,
                                   .oldest_first = true,
                                   .marks_only = true,
                                   .max_rows = ROWS_MAX };
    enum err err;

    filter.errors = 1U << ERROR_NONE;
    filter.since_us = since_ms * 1000;
    filter.until_us = until_s * 1000000;
    err = history_scan(shard, &query, count_attempt, u);
    u->has_more = !query.is_end;
    return err;
}

static enum err count(struct shard_view *shard, const struct hook *hook,
                      struct usage *u)
{
    int64_t now_s = clock_now_ms() / 1000;
    int64_t since_s = hook->secret_at_ms / 1000;
    int64_t window_s = now_s > since_s ? now_s - since_s : 0;
    int64_t first_s, slot_s;
    struct stats sum;
    enum err err;

    stats_slots(now_s, window_s, &first_s, &slot_s);
    err = count_slot(shard, hook->no, hook->secret_at_ms, first_s + slot_s, u);
    stats_init(&sum);
    for (int64_t at_s = first_s + slot_s; at_s <= now_s && err == OK;
         at_s += slot_s)
        err = stats_read_slot(shard, hook->no, at_s, slot_s, &sum);
    u->n_taken += sum.errors[ERROR_NONE];
    stats_clear(&sum);
    return err;
}

void secret_usage_put(const struct api *api, const struct hook *hook,
                      struct json_writer *w)
{
    struct shard_view *shard =
        api->shards[queue_shard_of(hook->no, api->n_shards)];
    struct usage u = { .n_taken = 0 };
    int64_t until_ms;
    enum err err;

    if (hook_count_old(hook, false, &until_ms) == 0 || hook->secret_at_ms == 0)
        return;
    err = count(shard, hook, &u);
    if (err != OK) {
        log_warn("deliveries since a secret was replaced cannot be counted",
                 "reason=%s", log_quote(str_of(err_str(err))));
        return;
    }
    json_open_object(w, "sinceSecret");
    clock_put_rfc3339(json_open_text(w, "at"), hook->secret_at_ms);
    json_close_text(w);
    json_put_u64(w, "delivered", u.n_taken);
    json_put_bool(w, "moreDelivered", u.has_more);
    json_close(w);
}
