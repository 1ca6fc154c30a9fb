// SPDX-License-Identifier: MIT
// census.h — how many hooks are in which state, and the oldest delivery that is due: for
// the metrics.

#ifndef ENGINE_DISPATCHER_DELIVER_CENSUS_H
#define ENGINE_DISPATCHER_DELIVER_CENSUS_H

#include "engine/dispatcher/loop/dispatcher.h"

void census_init(struct dispatcher *d);

// Begins a census unless one is under way; it goes on in slices.
void census_on_second(struct dispatcher *d);

#endif
