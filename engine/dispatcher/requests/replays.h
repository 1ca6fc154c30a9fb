// SPDX-License-Identifier: MIT
// replays.h — replays: sent at their throttle.

#ifndef ENGINE_DISPATCHER_REQUESTS_REPLAYS_H
#define ENGINE_DISPATCHER_REQUESTS_REPLAYS_H

#include "engine/dispatcher/schedule/schedule.h"

void replays_load(struct dispatcher *d);

// Sends what may be sent now, reads on, counts on.
void replays_pump(struct dispatcher *d);
void replays_go_on(struct dispatcher *d); // there is something to do

#endif
