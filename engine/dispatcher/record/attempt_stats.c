// SPDX-License-Identifier: MIT
// attempt_stats.c — statistics of attempts, summed in memory between their commits.
//
// When an attempt is settled, it is counted here by hook and by organization. Every few
// seconds the counts are added to the change that is about to be committed, which also
// has the rows of the newest attempts. After a crash, attempts whose statistics were
// not committed are read again from the history.

#include "engine/dispatcher/record/attempt_stats.h"

#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/log/log.h"
#include "common/model/delivery.h"
#include "common/model/event.h"
#include "engine/dispatcher/loop/dispatcher.h"
#include "engine/dispatcher/record/commit.h"
#include "queue/queue.h"

#define SLOT_S         300
#define FLUSH_EVERY_US INT64_C(5000000)
// With many owners a flush is much work: each owner makes the interval this much
// longer.
#define FLUSH_EVERY_US_EACH 200
#define TABLE_SIZE          4096 // a power of two
#define ROWS_AT_ONCE        1000

struct stats_row {
    struct stats_row *next;
    uint64_t owner_no;
    int64_t slot; // number of it, counted from the epoch
    struct stats stats;
};

static struct stats_row *row_of(struct dispatcher *d, uint64_t owner_no,
                                int64_t slot)
{
    size_t at = (size_t)(owner_no * UINT64_C(0x9e3779b97f4a7c15) >> 40) &
                (TABLE_SIZE - 1);
    struct stats_row *t;

    if (d->attempt_stats->rows == NULL) {
        d->attempt_stats->rows =
            xcalloc(TABLE_SIZE, sizeof(struct stats_row *));
    }
    for (t = d->attempt_stats->rows[at]; t != NULL; t = t->next) {
        if (t->owner_no == owner_no && t->slot == slot)
            return t;
    }
    t = xmalloc(sizeof(*t));
    *t = (struct stats_row){ .next = d->attempt_stats->rows[at],
                             .owner_no = owner_no,
                             .slot = slot };
    stats_init(&t->stats);
    d->attempt_stats->rows[at] = t;
    d->attempt_stats->n++;
    return t;
}

void attempt_stats_note(struct dispatcher *d, const struct attempt *attempt)
{
    int64_t ended_us = attempt->started_at_us + attempt->timing.total_us;
    int64_t slot = ended_us / 1000000 / SLOT_S;

    if (position_cmp(attempt->position, position_start) == 0 ||
        attempt_is_end(attempt))
        return; // a ping, or no request at all
    stats_note(&row_of(d, attempt->hook_id, slot)->stats, attempt);
    stats_note(&row_of(d, attempt->org_id, slot)->stats, attempt);
}

void attempt_stats_flush(struct dispatcher *d, bool at_once)
{
    int64_t now_us = clock_mono_us();
    int64_t every_us =
        FLUSH_EVERY_US + (int64_t)d->attempt_stats->n * FLUSH_EVERY_US_EACH;

    at_once = at_once || d->attempt_stats->is_wanted;
    d->attempt_stats->is_wanted = false;
    if (d->attempt_stats->n == 0 ||
        (!at_once && now_us - d->attempt_stats->flushed_us < every_us))
        return;
    d->attempt_stats->flushed_us = now_us;
    for (size_t i = 0; i < TABLE_SIZE; i++) {
        while (d->attempt_stats->rows[i] != NULL) {
            struct stats_row *t = d->attempt_stats->rows[i];

            d->attempt_stats->rows[i] = t->next;
            batch_stats(d->open_batch, t->owner_no, t->slot * SLOT_S,
                        &t->stats);
            stats_clear(&t->stats);
            free(t);
        }
    }
    d->attempt_stats->n = 0;
    batch_stats_noted(d->open_batch);
}

static bool on_attempt(void *data, uint64_t no, const struct attempt *a)
{
    (void)no;
    attempt_stats_note(data, a);
    return true;
}

void attempt_stats_load(struct dispatcher *d)
{
    uint64_t from_no = shard_stats_from(d->shard);
    uint64_t next_no = from_no;
    enum err err;

    d->attempt_stats = xcalloc(1, sizeof(*d->attempt_stats));
    do {
        from_no = next_no;
        err = history_walk(d->history, from_no, ROWS_AT_ONCE, on_attempt, d,
                           &next_no);
    } while (err == OK && next_no != from_no);
    if (err != OK)
        log_fatal("history cannot be read", "");
    attempt_stats_on_second(d);
}

void attempt_stats_want(struct dispatcher *d)
{
    d->attempt_stats->is_wanted = true;
}

void attempt_stats_on_second(struct dispatcher *d)
{
    if (d->attempt_stats->n > 0)
        commit_schedule(d);
}
