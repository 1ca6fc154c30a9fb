// SPDX-License-Identifier: MIT
// hook_table.h — the hooks of this shard, and the running state of each.

#ifndef ENGINE_DISPATCHER_SCHEDULE_HOOK_TABLE_H
#define ENGINE_DISPATCHER_SCHEDULE_HOOK_TABLE_H

#include "engine/dispatcher/schedule/schedule.h"

#define HOOK_WINDOW_START 2 // attempts at once to a hook that is new

struct hook_state *hook_find(const struct dispatcher *d, uint64_t no);

// Finds the hook's state, or makes one for a deleted hook: its rows are cancelled.
struct hook_state *hook_find_or_add(struct dispatcher *d, uint64_t no);

// Frees the state of a deleted hook, unless something of it is left: deliveries, rows,
// a turn, health that is not written yet, or an alarm that waits.
void hook_forget_if_done(struct hook_state *f);
void hook_forget_all_done(struct dispatcher *d);

#endif
