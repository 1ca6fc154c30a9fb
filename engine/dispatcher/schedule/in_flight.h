// SPDX-License-Identifier: MIT
// in_flight.h — attempts in flight, and whose capacity they use.

#ifndef ENGINE_DISPATCHER_SCHEDULE_IN_FLIGHT_H
#define ENGINE_DISPATCHER_SCHEDULE_IN_FLIGHT_H

#include "engine/dispatcher/schedule/schedule.h"

// Makes the slots: one for each attempt that the limits admit.
void in_flight_init(struct schedule *s);

// 1/`of` of a sender's capacity (attempts at once), at least 1.
uint32_t sender_share(const struct schedule *s, uint32_t of);

// Whether the sender's share for hooks that did not answer has room for this hook;
// always true for a hook that answered last time. Changes nothing.
bool sender_admits_unresponsive(const struct schedule *s,
                                const struct sender *sender,
                                const struct hook_state *f);

// Takes a slot for an attempt of `dv`, which is in hand, with its hook's sender. A slot
// must be free.
struct in_flight *in_flight_take(struct schedule *s, struct delivery *dv);

// Frees the slot; its delivery is in hand. Hooks that waited for the capacity wake.
void in_flight_free(struct schedule *s, struct in_flight *a);

// Counts attempts apart that have been in flight for long, so that receivers that hang
// do not use up the capacity for those that answer; and wakes hooks that wait for
// capacity that is free: a hook that was woken earlier may have been unable to use it.
void in_flight_look_for_slow(struct schedule *s);

#endif
