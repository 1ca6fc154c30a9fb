// SPDX-License-Identifier: MIT
// core.h — the scheduling core (schedule/step.h) within the process: the clocks that it
// is told, and the timer that it asks for.

#ifndef ENGINE_DISPATCHER_LOOP_CORE_H
#define ENGINE_DISPATCHER_LOOP_CORE_H

#include "engine/dispatcher/loop/dispatcher.h"
#include "engine/dispatcher/schedule/step.h"

// Makes the core with the settings' limits. No sender is up.
void core_init(struct dispatcher *d);
// Takes the limits from the settings, which have changed. The number of senders, and
// of attempts in flight in all, stay.
void core_reload(struct dispatcher *d);

// Reports an event that happens now. `out` has what is to be done.
void core_step(struct dispatcher *d, const struct schedule_event *e,
               struct effects *out);
// The same for an event that has no effects.
void core_note(struct dispatcher *d, const struct schedule_event *e);

// Starts the timer for the core's next tick, which marks TURN_SEND.
void core_set_timer(struct dispatcher *d);

#endif
