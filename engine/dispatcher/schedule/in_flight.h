// SPDX-License-Identifier: MIT
// in_flight.h — attempts in flight: what their history needs, and whose places they
// take.

#ifndef ENGINE_DISPATCHER_SCHEDULE_IN_FLIGHT_H
#define ENGINE_DISPATCHER_SCHEDULE_IN_FLIGHT_H

#include "engine/dispatcher/schedule/schedule.h"

// Whether a hook may be sent to as far as the share of hooks that did not answer
// goes. Changes nothing.
bool sender_admits_unresponsive(const struct sender_link *link,
                                const struct hook_state *f);

// A place among those of hooks that did not answer is free.
void sender_wake_unresponsive(struct sender_link *link);
void in_flight_free(struct dispatcher *d, struct slot *s);

// One in `of` of the places of a sender, one at least.
uint32_t sender_share(const struct sender_link *link, uint32_t of);

// A slot for an attempt of `dv`, which its hook's sender is about to get. One must be free.
struct slot *in_flight_take(struct dispatcher *d, struct delivery *dv);
void in_flight_init_slots(struct dispatcher *d);
// The slots, and the timer that looks for attempts that take long.
void in_flight_init(struct dispatcher *d);

#endif
