// SPDX-License-Identifier: MIT
// hook_table.h — the hooks of this shard, and the running state of each.

#ifndef ENGINE_DISPATCHER_SCHEDULE_HOOK_TABLE_H
#define ENGINE_DISPATCHER_SCHEDULE_HOOK_TABLE_H

#include "engine/dispatcher/schedule/schedule.h"

#define HOOK_WINDOW_START 2 // attempts at once to a hook that is new

// NULL: the table has no hook with this id.
struct hook_state *hook_find(const struct schedule *s, uint64_t no);

// Adds a hook, which the table must not have. It counts as deleted until its record is
// reported (SCHEDULE_HOOK_CHANGED).
struct hook_state *hook_add(struct schedule *s, uint64_t no);

// Whether nothing of a deleted hook is left here: no deliveries, rows or turn.
bool hook_is_idle(const struct hook_state *f);

// Frees a deleted hook, which must be idle.
void hook_remove(struct schedule *s, struct hook_state *f);

void hook_table_free(struct schedule *s); // frees all hooks, idle or not

// The first hook (`f` is NULL), or the one after `f`, in no particular order: for a walk
// through all hooks.
struct hook_state *hook_next(const struct schedule *s,
                             const struct hook_state *f);

// A walk through all hooks in pieces, between which hooks may come and go.
// Of zeros: it begins.
struct hook_walk {
    size_t n_buckets; // of the table when the walk began
    size_t at;
};

enum hook_walk_step {
    WALK_GOES_ON,
    WALK_ENDED,  // each hook that was there all the time was visited once
    WALK_IN_VAIN // the table has grown: begin again
};

// Visits the hooks of the next `n` places of the table, each of which has about one.
enum hook_walk_step
hook_walk(const struct schedule *s, struct hook_walk *w, size_t n,
          void (*visit)(void *data, const struct hook_state *f), void *data);

// Since when a delivery of the hook, which is active, could be sent and is not, by the
// clock of due times. INT64_MAX: none could: its breaker or a wish of its receiver holds
// it back, or its time has not come. Of an ordered hook, only what waits in memory and
// for no other delivery counts, and since it was read.
int64_t hook_due_since_ms(const struct schedule *s, const struct hook_state *f,
                          int64_t now_us);

#endif
