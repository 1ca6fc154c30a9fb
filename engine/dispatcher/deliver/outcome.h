// SPDX-License-Identifier: MIT
// outcome.h — turns outcomes into history and moves.

#ifndef ENGINE_DISPATCHER_DELIVER_OUTCOME_H
#define ENGINE_DISPATCHER_DELIVER_OUTCOME_H

#include "engine/dispatcher/schedule/schedule.h"

// False: `sender` has no such attempt in flight, and nothing changed.
MUST_CHECK bool outcome_apply(struct dispatcher *d, unsigned sender,
                              struct outcome *outcome);

// It cannot be sent anywhere, for this reason: the attempt fails at once.
void outcome_of_unsent(struct dispatcher *d, struct slot *s, struct str reason);

// It will not be sent, for this reason.
void delivery_cancel(struct dispatcher *d, struct delivery *dv,
                     struct str reason);

// What came of an attempt.
void outcome_settle(struct dispatcher *d, struct slot *s,
                    const struct outcome *o);

#endif
