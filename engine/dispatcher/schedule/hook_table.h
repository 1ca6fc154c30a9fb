// SPDX-License-Identifier: MIT
// hook_table.h — follows the hooks of this shard, keeps what runs for each.

#ifndef ENGINE_DISPATCHER_SCHEDULE_HOOK_TABLE_H
#define ENGINE_DISPATCHER_SCHEDULE_HOOK_TABLE_H

#include "engine/dispatcher/schedule/schedule.h"

#define HOOK_WINDOW_START 2 // attempts at once to a hook that is new

struct hook_state *hook_find(const struct dispatcher *d, uint64_t no);

// Finds it, or makes one whose hook is deleted: its rows are cancelled.
struct hook_state *hook_find_or_add(struct dispatcher *d, uint64_t no);

// Nothing more is known of a deleted hook, or of one that rests: let it go.
void hook_forget_if_done(struct hook_state *f);
void hook_forget_all_done(struct dispatcher *d);

#endif
