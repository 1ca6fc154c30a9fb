// SPDX-License-Identifier: MIT
// discard_slice.c — settling dead letters as cancelled, in slices.

#include "engine/dispatcher/requests/discard_slice.h"

#include "common/base/clock.h"
#include "common/log/log.h"
#include "common/model/delivery.h"
#include "engine/dispatcher/deliver/outcome.h"
#include "engine/dispatcher/loop/dispatcher.h"
#include "engine/dispatcher/record/commit.h"
#include "engine/dispatcher/record/hooks.h"
#include "engine/dispatcher/schedule/delivery_table.h"
#include "engine/dispatcher/schedule/schedule.h"
#include "queue/queue.h"

#define TICK_MS        5
#define SLICE_ROWS_MAX 256 // what a commit bears beside live deliveries

void discard_go_on(struct dispatcher *d)
{
    struct discards *s = d->discards;

    s->after_commit = schedule_n_commits(&d->schedule) +
                      (commit_is_busy(d) ? 1 : 0) +
                      (batch_n(d->open_batch) > 0 ? 1 : 0);
    if (!uv_is_active((uv_handle_t *)&s->timer))
        uv_timer_start(&s->timer, s->on_timer, TICK_MS, TICK_MS);
}

bool discard_is_over(const struct dispatcher *d, int64_t until_us)
{
    return d->discards->n_in_slice >= SLICE_ROWS_MAX ||
           clock_mono_us() >= until_us;
}

size_t discard_read(struct dispatcher *d, const struct dead_place *at,
                    struct dead_row *rows, size_t max)
{
    size_t n;

    if (shard_dead_read(d->shard, at->hook_id, at->position, rows, max, &n) !=
        OK)
        log_fatal("dead letters cannot be read", "");
    return n;
}

void discard_row(struct dispatcher *d, const struct dead_row *row,
                 struct str reason)
{
    struct hook_state *f = hook_find_or_add(d, row->hook_id);
    struct delivery *dv = delivery_add(&d->schedule, f, row->position);

    // The delivery is in memory until the commit, so that it is not sent again
    // meanwhile.
    delivery_set_row(&d->schedule, dv, 0);
    batch_dead_del(d->open_batch, row->hook_id, row->position);
    delivery_notes(dv)->n_attempts = row->n_attempts;
    delivery_notes(dv)->queue_us = row->queue_us;
    delivery_cancel(d, dv, reason);
    d->discards->n_in_slice++;
}
