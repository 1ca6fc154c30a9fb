// SPDX-License-Identifier: MIT
// hook_schedule.h — when a hook has its turn: in the ring of its sender, in a wait
// queue, or at a time.

#ifndef ENGINE_DISPATCHER_SCHEDULE_HOOK_SCHEDULE_H
#define ENGINE_DISPATCHER_SCHEDULE_HOOK_SCHEDULE_H

#include "engine/dispatcher/schedule/schedule.h"

// Moves the hook to `place`. Aborts with both names if that move is not legal.
void hook_enter(struct hook_state *f, enum hook_place place);

// The index has rows of this hook; the first is due at this time.
void hook_expect_rows(struct hook_state *f, int64_t due_at_ms);

// Makes the hook ready at this time (monotonic), or sooner.
void hook_pause_until(struct hook_state *f, int64_t until_us);

// Does nothing if the hook is in a ring or in a wait queue already.
void wait_queue_enter(struct wait_queue *room, struct hook_state *f);
void wait_queue_leave(struct hook_state *f); // does nothing if it is in none

// Wakes hooks until `n` are ready, or none waits.
void wait_queue_wake(struct wait_queue *room, uint32_t n);

// Whether rows of this hook are due and may be read now.
bool due_rows_may_load(const struct hook_state *f);

// Puts the delivery into its hook's queue, and the hook into the ring if it may send.
void hook_enqueue(struct dispatcher *d, struct delivery *dv);
void hook_mark_ready(struct hook_state *f); // it may have something to send

// Puts the delivery back at the front of its hook's queue, and the hook into the ring
// if it may send.
void hook_requeue(struct dispatcher *d, struct delivery *dv);

// Takes the first hook out of the ring, which must have one.
struct hook_state *ring_take(struct sender_link *link);

// Makes the timers of a hook that is new; both must be closed before it is freed.
void hook_schedule_init(struct hook_state *f);

// Whether the hook may have one more attempt now: it is not blocked, paused or about
// to be switched off, and its throttle admits one. If the throttle does not, a timer
// or the end of an attempt makes the hook ready again.
bool hook_is_its_time(struct hook_state *f);

#endif
