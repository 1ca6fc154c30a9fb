// SPDX-License-Identifier: MIT
// replays.h — replays: sent at their own rate, after live deliveries.

#ifndef ENGINE_DISPATCHER_REQUESTS_REPLAYS_H
#define ENGINE_DISPATCHER_REQUESTS_REPLAYS_H

#include "engine/dispatcher/loop/dispatcher.h"

void replays_load(struct dispatcher *d);

// Counts for a slice, reads on, and sends what may be sent now.
void replays_run(struct dispatcher *d);
void replays_go_on(struct dispatcher *d); // to be called if there is work

#endif
