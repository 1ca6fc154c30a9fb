// SPDX-License-Identifier: MIT
// alone.h — deliveries and events that dispatchers died with are tried alone.
//
// With two deaths, nothing new is sent until what is in flight has ended; then the
// suspect has its turn, and the others go on once that has ended. With three deaths it
// is set aside.

#ifndef ENGINE_DISPATCHER_SCHEDULE_ALONE_H
#define ENGINE_DISPATCHER_SCHEDULE_ALONE_H

#include "engine/dispatcher/schedule/schedule.h"

#define DEATHS_ALONE 2 // with this many, it is tried alone
#define DEATHS_ASIDE 3 // with this many, it is set aside

enum admission {
    ADMIT_SEND,
    ADMIT_ALONE, // send it: nothing else is in flight, and nothing will be sent
    ADMIT_LATER, // put it back at the front of its queue
    ADMIT_ASIDE, // set it aside: it becomes a dead letter without an attempt
    ADMIT_CANCEL // cancel it: a dispatcher died while setting it aside, too
};

// What is to be done with a delivery that was taken from its queue.
enum admission alone_admits(struct schedule *s, const struct delivery *dv);

// The same for a replay, which asks before it makes the delivery: ADMIT_SEND,
// ADMIT_ALONE, ADMIT_LATER, or ADMIT_ASIDE (never).
enum admission alone_admits_replay(struct schedule *s, uint32_t n_deaths,
                                   int64_t now_us);

// Whether an event that `n_deaths` dispatchers died with may be matched now. With 2
// deaths it may only while nothing is in flight; until then, sending stops.
bool alone_admits_event(struct schedule *s, uint32_t n_deaths, int64_t now_us);

// Whether nothing may be sent, because a suspect is tried alone, or will be.
bool alone_blocks(const struct schedule *s, int64_t now_us);

// Ends the block if nothing is in flight any more. Returns the id of the hook that has
// its turn first; 0: none in particular.
uint64_t alone_end(struct schedule *s, int64_t now_us);

#endif
