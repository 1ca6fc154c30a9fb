// SPDX-License-Identifier: MIT
// in_flight.h — attempts in flight: what their history needs, and whose capacity they
// use.

#ifndef ENGINE_DISPATCHER_SCHEDULE_IN_FLIGHT_H
#define ENGINE_DISPATCHER_SCHEDULE_IN_FLIGHT_H

#include "engine/dispatcher/schedule/schedule.h"

// Whether the sender's share for hooks that did not answer has room for this hook;
// always true for a hook that answered last time. Changes nothing.
bool sender_admits_unresponsive(const struct sender_link *link,
                                const struct hook_state *f);

// Wakes hooks that wait for the sender's share for hooks that did not answer, as many
// as it has room for.
void sender_wake_unresponsive(struct sender_link *link);
void in_flight_free(struct dispatcher *d, struct slot *s);

// 1/`of` of a sender's capacity (attempts at once), at least 1.
uint32_t sender_share(const struct sender_link *link, uint32_t of);

// A slot for an attempt of `dv`, which its hook's sender is about to get. A slot must
// be free.
struct slot *in_flight_take(struct dispatcher *d, struct delivery *dv);
void in_flight_init_slots(struct dispatcher *d);
// Makes the slots, and the timer that looks for attempts that take long.
void in_flight_init(struct dispatcher *d);

#endif
