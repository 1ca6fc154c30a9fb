// SPDX-License-Identifier: MIT
// hook_schedule.h — when a hook has its turn: in the ring of its sender, in a waiting
// room, or at a time.

#ifndef ENGINE_DISPATCHER_SCHEDULE_HOOK_SCHEDULE_H
#define ENGINE_DISPATCHER_SCHEDULE_HOOK_SCHEDULE_H

#include "engine/dispatcher/schedule/schedule.h"

// Moves it. Aborts with both names if it may not go there from where it is.
void hook_enter(struct hook_state *f, enum hook_place place);

// Rows of it are in the index, the first due at this time.
void hook_expect_rows(struct hook_state *f, int64_t due_at_ms);

// Lets it try again then (monotonic), or sooner.
void hook_pause_until(struct hook_state *f, int64_t until_us);

// Does nothing if the hook stands in a ring or in a room already.
void wait_queue_enter(struct wait_queue *room, struct hook_state *f);
void wait_queue_leave(struct hook_state *f); // fine if it is in none

// Lets up to so many go on.
void wait_queue_wake(struct wait_queue *room, uint32_t n);

// Whether rows of it are due and may be read now.
bool due_rows_may_load(const struct hook_state *f);

// Into its hook's line, and the hook into the ring if it may send.
void hook_enqueue(struct dispatcher *d, struct delivery *dv);
void hook_mark_ready(struct hook_state *f); // it may have something to send

// Back to the front of its hook's line.
void hook_requeue(struct dispatcher *d, struct delivery *dv);

// Takes the first hook out of the ring, which must have one.
struct hook_state *ring_take(struct sender_link *link);

// Makes the timers of a hook that is new; both must be closed before it is freed.
void hook_schedule_init(struct hook_state *f);

// Whether its throttle lets one more go. If not, it comes back by itself.
bool hook_is_its_time(struct hook_state *f);

#endif
