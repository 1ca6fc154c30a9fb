// SPDX-License-Identifier: MIT
// hook_queue.h — the deliveries that wait for a hook, in their order.

#ifndef ENGINE_DISPATCHER_SCHEDULE_HOOK_QUEUE_H
#define ENGINE_DISPATCHER_SCHEDULE_HOOK_QUEUE_H

#include "engine/dispatcher/schedule/schedule.h"

// Puts the delivery into its hook's queue: at the end, or, if the hook is ordered,
// at its position.
void hook_queue_push(struct schedule *s, struct delivery *dv);

// Puts the delivery back at the front of its hook's queue, or, if the hook is
// ordered, at its position.
void hook_queue_push_front(struct schedule *s, struct delivery *dv);

// Takes the delivery out of its hook's queue, whether it waits or is sent.
void hook_queue_remove(struct schedule *s, struct delivery *dv);

// Takes a delivery that waits, wherever it is in the queue. It is taken out of the
// queue, unless the hook is ordered: those behind it wait for its end.
void hook_queue_take(struct schedule *s, struct delivery *dv);

// The first delivery that waits; NULL: none waits.
struct delivery *hook_queue_first(const struct hook_state *f);

// The delivery of an ordered hook that the others wait for, and when it may go (of the
// clock of due times). NULL: there is none.
const struct delivery *hook_queue_blocking(const struct hook_state *f,
                                           int64_t now_ms,
                                           int64_t *not_before_ms);

// Takes out the first delivery that waits. NULL: none waits.
struct delivery *hook_queue_pop(struct schedule *s, struct hook_state *f);

// The delivery to send now. It is taken out of the queue, unless the hook is ordered.
// NULL: none may go; for an ordered hook, `*until_ms` is then when one may (UTC
// epoch; INT64_MAX: when an attempt has ended).
struct delivery *hook_queue_next(struct schedule *s, struct hook_state *f,
                                 int64_t *until_ms);

#endif
