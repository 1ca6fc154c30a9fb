// SPDX-License-Identifier: MIT
// explain.h — whether hooks want an event, why not, and what they would be sent.

#ifndef ENGINE_DISPATCHER_REQUESTS_EXPLAIN_H
#define ENGINE_DISPATCHER_REQUESTS_EXPLAIN_H

#include "engine/dispatcher/schedule/schedule.h"

// It is answered later. ERR_BUSY: too many questions wait; on an error nothing was
// answered.
MUST_CHECK enum err explain_start(struct dispatcher *d,
                                  const struct query *ask);

#endif
