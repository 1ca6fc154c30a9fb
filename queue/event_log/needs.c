// SPDX-License-Identifier: MIT
// needs.c — what the shards need of the event log. Runs in the worker.

#include "common/base/mem.h"
#include "queue/event_log/inside.h"
#include "queue/shard/shard_view.h"

struct position event_log_passed(struct event_log *log)
{
    struct position least = log->end;

    if (log->shards == NULL) {
        log->shards =
            xcalloc(log->config.n_shards, sizeof(struct shard_view *));
    }
    for (unsigned k = 0; k < log->config.n_shards; k++) {
        struct position cursor;

        if (log->shards[k] == NULL &&
            shard_view_open(&log->config, k, &log->shards[k]) != OK)
            return position_start;
        if (shard_view_cursor(log->shards[k], &cursor) != OK)
            return position_start;
        if (position_cmp(cursor, least) < 0)
            least = cursor;
    }
    return least;
}

bool event_log_needs(struct event_log *log, uint64_t block)
{
    for (unsigned k = 0; k < log->config.n_shards; k++) {
        bool needs = true;

        if (shard_view_needs(log->shards[k], block, &needs) != OK || needs)
            return true;
    }
    return false;
}
