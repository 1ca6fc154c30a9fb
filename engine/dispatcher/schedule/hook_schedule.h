// hook_schedule.h — when a hook has its turn: in the ring of its sender, in a waiting
// room, or at a time.

#ifndef ENGINE_DISPATCHER_SCHEDULE_HOOK_SCHEDULE_H
#define ENGINE_DISPATCHER_SCHEDULE_HOOK_SCHEDULE_H

#include "engine/dispatcher/schedule/schedule.h"

// Moves it. Aborts with both names if it may not go there from where it is.
void hook_enter(struct followed *f, enum hook_place place);

// Rows of it are in the index, the first due at this time.
void followed_expect(struct followed *f, int64_t due_at_ms);

// Lets it try again then (monotonic), or sooner.
void followed_pause(struct followed *f, int64_t until_us);

// Does nothing if the hook stands in a ring or in a room already.
void room_enter(struct waiting_room *room, struct followed *f);
void room_leave(struct followed *f); // fine if it is in none

// Lets up to so many go on.
void room_let_go(struct waiting_room *room, uint32_t n);

// Whether rows of it are due and may be read now.
bool fetch_may(const struct followed *f);

// Into its hook's line, and the hook into the ring if it may send.
void pump_enqueue(struct dispatcher *d, struct delivery *dv);
void pump_ready(struct followed *f); // it may have something to send

// Back to the front of its hook's line.
void pump_return(struct dispatcher *d, struct delivery *dv);

// Takes the first hook out of the ring, which must have one.
struct followed *ring_take(struct sender_link *link);

// Makes the timers of a hook that is new; both must be closed before it is freed.
void hook_schedule_init(struct followed *f);

// Whether its pace lets one more go. If not, it comes back by itself.
bool hook_is_its_time(struct followed *f);

#endif
