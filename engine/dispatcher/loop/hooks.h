// SPDX-License-Identifier: MIT
// hooks.h — hooks with what the dispatcher's rooms note of them.

#ifndef ENGINE_DISPATCHER_LOOP_HOOKS_H
#define ENGINE_DISPATCHER_LOOP_HOOKS_H

#include "engine/dispatcher/loop/dispatcher.h"

// Finds the hook's state, or makes one for a deleted hook: its rows are cancelled.
struct hook_state *hook_find_or_add(struct dispatcher *d, uint64_t no);

// Frees the state of a deleted hook, unless something of it is left: deliveries, rows,
// a turn, health that is not written yet, or an alarm that waits.
void hook_forget_if_done(struct hook_state *f);
void hook_forget_all_done(struct dispatcher *d);

#endif
