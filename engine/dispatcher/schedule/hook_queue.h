// SPDX-License-Identifier: MIT
// hook_queue.h — the deliveries that wait for a hook, in their order.

#ifndef ENGINE_DISPATCHER_SCHEDULE_HOOK_QUEUE_H
#define ENGINE_DISPATCHER_SCHEDULE_HOOK_QUEUE_H

#include "engine/dispatcher/schedule/schedule.h"

// Puts it in its hook's line: at the end, or, if the hook is ordered, where its
// position is.
void hook_queue_push(struct dispatcher *d, struct delivery *dv);

// Puts it back at the front; what waited there already is later.
void hook_queue_push_front(struct dispatcher *d, struct delivery *dv);

// Takes it out, waiting or sent.
void hook_queue_remove(struct dispatcher *d, struct delivery *dv);

// The first that waits, taken out. NULL: none.
struct delivery *hook_queue_pop(struct dispatcher *d, struct hook_state *f);

// The one to send now; an ordered hook's stays in the line. NULL: none; of an
// ordered hook `*until_ms` is then when one may go (UTC epoch; INT64_MAX: when
// an attempt has ended).
struct delivery *hook_queue_next(struct dispatcher *d, struct hook_state *f,
                                 int64_t *until_ms);

#endif
