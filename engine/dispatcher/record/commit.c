// SPDX-License-Identifier: MIT
// commit.c — makes the changes in d->open_batch durable.
//
// Happy path: outcomes, rows and the cursor are added to d->open_batch; a few
// milliseconds later it becomes one transaction, off the loop, while the next batch
// fills. Deliveries that the cursor passes and that are not settled get their rows in
// the same transaction.
//
// If it fails: when the disk gets full, no new attempt is begun, and what is in flight
// is committed into the room that the shard keeps for it. With no room at all, the same
// change is tried again until there is room. A broken disk ends the process: what was
// not committed is done again by the next process.

#include "engine/dispatcher/record/commit.h"

#include <assert.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/random.h"
#include "common/log/log.h"
#include "common/model/delivery.h"
#include "common/model/event.h"
#include "common/process/deadline.h"
#include "common/process/metrics.h"
#include "common/process/role.h"
#include "engine/dispatcher/loop/core.h"
#include "engine/dispatcher/loop/dispatcher.h"
#include "engine/dispatcher/loop/due_clock.h"
#include "engine/dispatcher/loop/due_time.h"
#include "engine/dispatcher/loop/turn.h"
#include "engine/dispatcher/record/hooks.h"
#include "engine/dispatcher/record/listing.h"
#include "engine/dispatcher/schedule/delivery_table.h"
#include "engine/dispatcher/schedule/hook_state.h"
#include "engine/dispatcher/schedule/schedule.h"
#include "engine/dispatcher/schedule/step.h"
#include "queue/queue.h"

// From the first change of a batch to its commit: so long, or thrice as long as the
// last commit took, but at most this.
#define COMMIT_AFTER_MS        5
#define COMMIT_AFTER_MAX_MS    25
#define COMMIT_REST            3
#define COMMIT_BYTES           ((size_t)512 * 1024) // so much is committed at once
#define COMMIT_CURSOR_AFTER_MS 200 // when only the cursor moved
#define NO_ROOM_RETRY_MS       500

static void on_commit_due(void *data);

// Tells the scheduling core that a commit has ended: the number of commits grows by one.
static void count_commit(struct dispatcher *d)
{
    const struct schedule_event event = {
        .kind = SCHEDULE_COMMITTED,
        .commit = schedule_n_commits(&d->schedule) + 1
    };

    core_note(d, &event);
}

void commit_init(struct dispatcher *d)
{
    d->commit = xcalloc(1, sizeof(*d->commit));
    d->open_batch = shard_batch_new();
    d->commit->committing_batch = shard_batch_new();
    count_commit(d);
    d->commit->cursor_added = shard_cursor(d->shard);
    crypto_random(&d->jitter_state, sizeof(d->jitter_state));
    deadline_init(&d->commit->due, role_loop(d->role), on_commit_due, d);
}

uint64_t commit_number(const struct dispatcher *d)
{
    return schedule_n_commits(&d->schedule) + 1 + commit_is_busy(d);
}

// How long a batch fills. A commit costs much the same for few changes as for many, so
// where commits take long (several shards on one disk, a processor that is shared),
// fewer are made: they take at most a quarter of the time.
static uint64_t filling_ms(const struct dispatcher *d)
{
    int64_t rest_ms = d->commit->took_us * COMMIT_REST / 1000;

    if (batch_bytes(d->open_batch) >= COMMIT_BYTES)
        return 0;
    if (rest_ms > COMMIT_AFTER_MAX_MS)
        return COMMIT_AFTER_MAX_MS;
    return rest_ms > COMMIT_AFTER_MS ? (uint64_t)rest_ms : COMMIT_AFTER_MS;
}

void commit_schedule(struct dispatcher *d)
{
    bool only_cursor = batch_n(d->open_batch) == 0 &&
                       delivery_without_row(&d->schedule) == NULL &&
                       d->commit->open_wakes.n == 0;
    uint64_t wait_ms = only_cursor ? COMMIT_CURSOR_AFTER_MS : filling_ms(d);

    if (commit_is_busy(d)) {
        d->commit->is_wanted = true; // its end calls this again
        return;
    }
    deadline_within(&d->commit->due, wait_ms);
}

void commit_wake_hook(struct dispatcher *d, uint64_t hook_id, int64_t due_at_ms)
{
    struct wakes *w = &d->commit->open_wakes;

    if (w->n == w->room) {
        w->room = w->room > 0 ? w->room * 2 : 256;
        w->at = xrealloc(w->at, w->room * sizeof(*w->at));
    }
    w->at[w->n++] = (struct wake){ hook_id, due_at_ms };
}

void commit_put_row(struct dispatcher *d, const struct due_row *row)
{
    batch_due_put(d->open_batch, row);
    commit_wake_hook(d, row->hook_id, row->due_at_ms);
}

void commit_give_row(struct dispatcher *d, struct delivery *dv)
{
    struct due_row row = delivery_row(dv, delivery_due_at_ms(dv));

    batch_due_put(d->open_batch,
                  &row); // it is in memory: the hook need not wake
    delivery_set_row(&d->schedule, dv, row.due_at_ms);
}

void commit_del_row(struct dispatcher *d, const struct delivery *dv)
{
    struct due_row row = { .hook_id = hook_state_id(delivery_hook(dv)),
                           .due_at_ms = delivery_due_at_ms(dv),
                           .position = delivery_position(dv) };

    batch_due_del(d->open_batch, &row);
}

// The change of its rows is committed later. Until then the delivery stays in the
// table, so that the row that is about to be deleted is not loaded, and the row that is
// about to be put is not missed.
void commit_keep_settled(struct dispatcher *d, struct delivery *dv)
{
    delivery_settle(&d->commit->open_settled, dv);
}

// --- commits ---

static void drop_settled(struct dispatcher *d)
{
    struct schedule_event event = { .kind = SCHEDULE_DURABLE };

    while ((event.delivery = delivery_take_settled(
                &d->commit->committing_settled)) != NULL) {
        struct hook_state *f = delivery_hook(event.delivery);

        core_note(d, &event);
        hook_forget_if_done(f);
    }
}

static void wake_hooks(struct dispatcher *d)
{
    for (size_t i = 0; i < d->commit->committing_wakes.n; i++) {
        const struct wake *w = &d->commit->committing_wakes.at[i];

        const struct schedule_event event = {
            .kind = SCHEDULE_ROWS_EXPECTED,
            .hook = hook_find_or_add(d, w->hook_id),
            .due_at_ms = w->due_at_ms,
        };

        core_note(d, &event);
    }
    d->commit->committing_wakes.n = 0;
}

static void on_committed(void *data, enum err err)
{
    struct dispatcher *d = data;

    d->commit->took_us = clock_mono_us() - d->commit->started_us;
    metrics_observe_us(HISTOGRAM_COMMIT_SECONDS, d->commit->took_us);
    d->commit->err = err;
    turn_mark(d, TURN_COMMITTED);
}

enum err commit_end(struct dispatcher *d)
{
    d->commit->is_under_way = false;
    if (d->commit->err == ERR_FULL) {
        if (!d->commit->is_failing) {
            log_warn("no disk space to commit; trying again until there is",
                     "uncommitted_bytes=%zu", batch_bytes(d->open_batch));
        }
        d->commit->is_failing = true;
        deadline_within(&d->commit->due, NO_ROOM_RETRY_MS);
        return ERR_FULL;
    }
    if (d->commit->err != OK) {
        log_fatal("a commit failed", "reason=%s",
                  log_quote(str_of(err_str(d->commit->err))));
    }
    if (d->commit->is_failing)
        log_info("disk space is available again; commits continue", "");
    d->commit->is_failing = false;
    count_commit(d);
    shard_batch_reset(d->commit->committing_batch);
    return OK;
}

void commit_let_go(struct dispatcher *d)
{
    drop_settled(d);
    wake_hooks(d);
    if (d->is_final_commit)
        return;
    if (d->commit->is_wanted || batch_n(d->open_batch) > 0 ||
        delivery_without_row(&d->schedule) != NULL ||
        d->commit->open_wakes.n > 0 ||
        position_cmp(d->commit->cursor_added, d->read_to) != 0)
        commit_schedule(d);
    d->commit->is_wanted = false;
}

// Gives a row to each delivery that is not settled and whose event the cursor passes
// with this commit.
static void put_rows(struct dispatcher *d)
{
    struct delivery *dv;

    while ((dv = delivery_without_row(&d->schedule)) != NULL)
        commit_give_row(d, dv);
}

void commit_fill(struct dispatcher *d)
{
    put_rows(d);
    listing_flush(d);
    if (position_cmp(d->commit->cursor_added, d->read_to) != 0)
        batch_cursor(d->open_batch, d->read_to);
    d->commit->cursor_added = d->read_to;
    batch_clock(d->open_batch, due_now_ms(d),
                due_clock_ran_ms(&d->due_clock, clock_mono_us()));
}

void commit_again(struct dispatcher *d)
{
    assert(!d->commit->is_under_way);
    d->commit->is_under_way = true;
    d->commit->started_us = clock_mono_us();
    shard_commit(d->shard, d->commit->committing_batch, on_committed, d);
}

void commit_start(struct dispatcher *d)
{
    struct shard_batch *change = d->open_batch;
    struct wakes wakes = d->commit->open_wakes;

    assert(!commit_is_busy(d));
    assert(d->commit->committing_settled == NULL);
    deadline_stop(&d->commit->due);
    d->open_batch = d->commit->committing_batch;
    d->commit->committing_batch = change;
    d->commit->open_wakes = d->commit->committing_wakes;
    d->commit->committing_wakes = wakes;
    d->commit->committing_settled = d->commit->open_settled;
    d->commit->open_settled = NULL;
    commit_again(d);
}

static void on_commit_due(void *data)
{
    turn_mark(data, TURN_COMMIT);
}
