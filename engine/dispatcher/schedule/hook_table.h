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

#endif
