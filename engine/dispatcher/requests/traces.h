// SPDX-License-Identifier: MIT
// traces.h — what became of an id that the event log does not know: a ping of the
// hook, whose payload lies in its row of the history, or an event that retention has
// removed, which left its attempts.

#ifndef ENGINE_DISPATCHER_REQUESTS_TRACES_H
#define ENGINE_DISPATCHER_REQUESTS_TRACES_H

#include "engine/dispatcher/schedule/schedule.h"

// Looks for an id that the event log does not know in the history of the hook: a ping
// is sent again, and of an event that is gone the answer says so. It is answered
// later. ERR_BUSY: too many questions wait; on an error nothing was answered.
MUST_CHECK enum err traces_search(struct dispatcher *d,
                                  const struct hook_state *f,
                                  const struct query *ask);

#endif
