// commit.h — what is said becomes durable.

#ifndef ENGINE_DISPATCHER_RECORD_COMMIT_H
#define ENGINE_DISPATCHER_RECORD_COMMIT_H

#include "engine/dispatcher/schedule/schedule.h"

void settle_init(struct dispatcher *d);

// When d->filling is committed, the hook has a row that is due then.
void settle_wake(struct dispatcher *d, uint64_t hook_no, int64_t due_at_ms);
void settle_put_row(struct dispatcher *d, const struct due_row *row);
void settle_give_row(struct dispatcher *d, struct delivery *dv); // has none

// A change before d->filling is not committed yet.
bool settle_is_busy(const struct dispatcher *d);

// Something was said to d->filling: commit soon.
void settle_touch(struct dispatcher *d);

// What a commit consists of, in this order: d->filling gets the rows of all deliveries
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

// The row that it has goes, with d->filling.
void commit_del_row(struct dispatcher *d, const struct delivery *dv);

// It is settled; it leaves the memory when d->filling is committed.
void commit_keep_settled(struct dispatcher *d, struct delivery *dv);

#endif
