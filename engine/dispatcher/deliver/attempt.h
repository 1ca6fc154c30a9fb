// SPDX-License-Identifier: MIT
// attempt.h — begins an attempt, and ends it at once if it cannot be made.

#ifndef ENGINE_DISPATCHER_DELIVER_ATTEMPT_H
#define ENGINE_DISPATCHER_DELIVER_ATTEMPT_H

#include "engine/dispatcher/schedule/schedule.h"

// Begins an attempt of a delivery that is in no queue. Its sender must be connected,
// and a slot free.
void attempt_begin(struct dispatcher *d, struct delivery *dv);
// Like attempt_begin(), for an event that is not in the log.
void attempt_begin_event(struct dispatcher *d, struct delivery *dv,
                         const struct event *event);
// The dispatcher died with this delivery too often: it becomes a dead letter at once.
void attempt_set_aside(struct dispatcher *d, struct delivery *dv);

#endif
