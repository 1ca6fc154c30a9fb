// SPDX-License-Identifier: MIT
// outcome.h — turns outcomes into rows of the history and new states of deliveries.

#ifndef ENGINE_DISPATCHER_DELIVER_OUTCOME_H
#define ENGINE_DISPATCHER_DELIVER_OUTCOME_H

#include "engine/dispatcher/loop/dispatcher.h"

// False: `sender` has no such attempt in flight, and nothing changed.
MUST_CHECK bool outcome_apply(struct dispatcher *d, unsigned sender,
                              struct outcome *outcome);

// The event of this attempt cannot be read, for this reason: its delivery is cancelled,
// and there is no attempt that the history could keep.
void outcome_of_unreadable(struct dispatcher *d, struct in_flight *s,
                           struct str reason);

// The request cannot be sent anywhere, for this reason: the attempt fails at once.
void outcome_of_unsent(struct dispatcher *d, struct in_flight *s,
                       struct str reason);

// Cancels a delivery, for this reason: it will not be sent.
void delivery_cancel(struct dispatcher *d, struct delivery *dv,
                     struct str reason);

// The delivery, which is in hand and not settled, leaves the memory: its row with the due
// time `due_at_ms` (of the clock of due times) is put, and its hook wakes for it. If the
// hook is ordered, the time is ignored, and what waits for the hook goes into the index
// as well.
void delivery_to_row(struct dispatcher *d, struct delivery *dv,
                     int64_t due_at_ms);

// Applies the outcome of an attempt in flight: frees its slot, and settles its delivery
// or puts it where it waits for its next attempt.
void outcome_settle(struct dispatcher *d, struct in_flight *s,
                    const struct outcome *o);

#endif
