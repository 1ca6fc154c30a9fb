// SPDX-License-Identifier: MIT
// commit.h — makes the changes in d->open_batch durable.

#ifndef ENGINE_DISPATCHER_RECORD_COMMIT_H
#define ENGINE_DISPATCHER_RECORD_COMMIT_H

#include "common/base/clock.h"
#include "common/process/deadline.h"
#include "engine/dispatcher/loop/dispatcher.h"

// Rows that a batch puts: when it is committed, hook `hook_id` looks for them.
struct wake {
    uint64_t hook_id;
    int64_t due_at_ms;
};

struct wakes {
    struct wake *at;
    size_t n, room;
};

// Closed to other rooms.
struct commit {
    struct shard_batch *committing_batch;
    struct wakes open_wakes, committing_wakes;
    struct delivery *open_settled, *committing_settled; // leave once committed
    struct deadline due;
    struct position cursor_added; // in the last batch that was filled
    int64_t started_us;
    int64_t took_us; // the last one that has ended
    enum err err;    // of the commit that has ended
    bool is_under_way;
    bool is_failing;
    bool is_wanted; // after the one that is under way
};

void commit_init(struct dispatcher *d);

// When d->open_batch is committed, the hook has a row that is due at `due_at_ms`, and
// looks for it.
void commit_wake_hook(struct dispatcher *d, uint64_t hook_id,
                      int64_t due_at_ms);
void commit_put_row(struct dispatcher *d, const struct due_row *row);
// Adds a row of a delivery that has none. It stays in memory.
void commit_give_row(struct dispatcher *d, struct delivery *dv);

// Whether the change before d->open_batch is not committed yet: its commit is under
// way, or has failed and will be tried again.
static inline bool commit_is_busy(const struct dispatcher *d)
{
    return d->commit->is_under_way || d->commit->is_failing;
}

// The number that schedule_n_commits() will have once what is in d->open_batch is
// committed.
uint64_t commit_number(const struct dispatcher *d);

static inline bool commit_is_under_way(const struct dispatcher *d)
{
    return d->commit->is_under_way;
}

// A commit had no room, and will be tried again.
static inline bool commit_is_failing(const struct dispatcher *d)
{
    return d->commit->is_failing;
}

// For how long a commit has been under way; 0: none is.
static inline int64_t commit_took_us(const struct dispatcher *d)
{
    return d->commit->is_under_way ? clock_mono_us() - d->commit->started_us
                                   : 0;
}

// Something was added to d->open_batch: commit soon.
void commit_schedule(struct dispatcher *d);

// The steps of a commit: commit_fill() adds the rows of all deliveries that have none,
// the cursor and the clocks to d->open_batch; the caller adds what has to be last;
// commit_start() commits it, off the loop. No other commit may be under way, and no fan
// open.
void commit_fill(struct dispatcher *d);
void commit_start(struct dispatcher *d);
// Commits the same change once more, after ERR_FULL.
void commit_again(struct dispatcher *d);

// To be called when a commit has ended (TURN_COMMITTED). ERR_FULL: there was no room,
// and TURN_COMMIT will be marked in a while; any other error ends the process.
MUST_CHECK enum err commit_end(struct dispatcher *d);
// To be called when a change is committed: settled deliveries leave the memory, and
// hooks that got rows wake.
void commit_let_go(struct dispatcher *d);

// Adds to d->open_batch that the delivery's row is deleted.
void commit_del_row(struct dispatcher *d, const struct delivery *dv);

// The delivery is settled: it leaves the memory when d->open_batch is committed.
void commit_keep_settled(struct dispatcher *d, struct delivery *dv);

#endif
