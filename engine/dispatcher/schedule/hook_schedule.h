// SPDX-License-Identifier: MIT
// hook_schedule.h — when a hook has its turn: in the ring of its sender, in a wait
// queue, or at a time.

#ifndef ENGINE_DISPATCHER_SCHEDULE_HOOK_SCHEDULE_H
#define ENGINE_DISPATCHER_SCHEDULE_HOOK_SCHEDULE_H

#include "engine/dispatcher/schedule/schedule.h"

// Moves the hook to `place`. Aborts with both names if that move is not legal.
void hook_enter(struct hook_state *f, enum hook_place place);

// The index has rows of this hook; the first is due at this time.
void hook_expect_rows(struct schedule *s, struct hook_state *f,
                      int64_t due_at_ms);

// Makes the hook ready at this time (monotonic), or sooner.
void hook_pause_until(struct schedule *s, struct hook_state *f,
                      int64_t until_us);

// An alarm of its hook has gone off.
void hook_on_alarm(struct schedule *s, struct hook_alarm *a);

// Does nothing if the hook is in a ring or in a wait queue already.
void wait_queue_enter(struct list *room, struct hook_state *f);
void wait_queue_leave(struct hook_state *f); // does nothing if it is in none
struct hook_state *
wait_queue_first(const struct list *room); // NULL: none waits

// Wakes hooks until `n` are ready, or none waits.
void wait_queue_wake(struct schedule *s, struct list *room, uint32_t n);

// Whether rows of this hook are due and may be read now.
bool due_rows_may_load(const struct schedule *s, const struct hook_state *f);

// Puts the delivery into its hook's queue, and the hook into the ring if it may send.
void hook_enqueue(struct schedule *s, struct delivery *dv);

// Puts the delivery back at the front of its hook's queue, and the hook into the ring
// if it may send.
void hook_requeue(struct schedule *s, struct delivery *dv);

// The hook may have something to send: it goes to the end of the ring, or, if it has
// not finished its turn, to the front.
void hook_mark_ready(struct schedule *s, struct hook_state *f);
void hook_mark_ready_first(struct schedule *s, struct hook_state *f);

// The sender of its next attempt: the one in whose ring it is, or, if it is in none, one
// of its endpoint's. A deleted hook keeps the one it had.
unsigned hook_sender(const struct schedule *s, const struct hook_state *f);

// Takes the hook out of the ring or wait queue of its sender, if it is in one.
void hook_leave_sender(struct schedule *s, struct hook_state *f);

// Hooks that wait for a sender that is down go to another one of their endpoint that is
// up, if there is one: else those of the endpoint that wait there would pass them by.
void hooks_hand_over(struct schedule *s);

// Takes the first hook out of the ring, which must have one.
struct hook_state *ring_take(struct sender *sender);

// Whether the hook may have one more attempt now: it is not blocked, paused or about
// to be switched off, and its throttle admits one. If the throttle does not, an alarm
// or the end of an attempt makes the hook ready again.
bool hook_is_its_time(struct schedule *s, struct hook_state *f);

#endif
