// SPDX-License-Identifier: MIT
// turns.h — which delivery goes to its sender next.

#ifndef ENGINE_DISPATCHER_SCHEDULE_TURNS_H
#define ENGINE_DISPATCHER_SCHEDULE_TURNS_H

#include "engine/dispatcher/schedule/effects.h"
#include "engine/dispatcher/schedule/schedule.h"

// A hook may use 1/HOOK_SHARE of a sender's capacity while others wait.
#define HOOK_SHARE 4

// Gives hooks their turns, as long as senders have capacity and `out` has less than
// `max` effects (at most EFFECTS_MAX).
void turns_give(struct schedule *s, size_t max, struct effects *out);

// Wakes the next hook that waits to have a slice cancelled, if it is time.
void turns_on_tick(struct schedule *s, struct effects *out);

#endif
