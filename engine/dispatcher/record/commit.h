// SPDX-License-Identifier: MIT
// commit.h — what is said becomes durable.

#ifndef ENGINE_DISPATCHER_RECORD_COMMIT_H
#define ENGINE_DISPATCHER_RECORD_COMMIT_H

#include "engine/dispatcher/schedule/schedule.h"

void commit_init(struct dispatcher *d);

// When d->open_batch is committed, the hook has a row that is due then.
void commit_wake_hook(struct dispatcher *d, uint64_t hook_id,
                      int64_t due_at_ms);
void commit_put_row(struct dispatcher *d, const struct due_row *row);
void commit_give_row(struct dispatcher *d, struct delivery *dv); // has none

// A change before d->open_batch is not committed yet.
bool commit_is_busy(const struct dispatcher *d);

// Something was added to d->open_batch: commit soon.
void commit_schedule(struct dispatcher *d);

// What a commit consists of, in this order: d->open_batch gets the rows of all deliveries
// that have none, the cursor and the clocks; the caller adds what is said last; then it
// is committed, off the loop. Nothing may be busy, and no fan open.
void commit_fill(struct dispatcher *d);
void commit_start(struct dispatcher *d);
// The same change once more, after ERR_FULL.
void commit_again(struct dispatcher *d);

// A commit has ended (TURN_COMMITTED). ERR_FULL: there was no room, and TURN_COMMIT is
// marked in a while; any other error ends the process.
MUST_CHECK enum err commit_end(struct dispatcher *d);
// It is committed: settled deliveries leave the memory, hooks with rows wake.
void commit_let_go(struct dispatcher *d);

// The row that it has goes, with d->open_batch.
void commit_del_row(struct dispatcher *d, const struct delivery *dv);

// It is settled; it leaves the memory when d->open_batch is committed.
void commit_keep_settled(struct dispatcher *d, struct delivery *dv);

#endif
