// SPDX-License-Identifier: MIT
// traces.h — looks for an id that the event log does not know: a ping of the hook,
// whose payload is in its row of the history, or an event that retention has removed,
// which left its attempts.

#ifndef ENGINE_DISPATCHER_REQUESTS_TRACES_H
#define ENGINE_DISPATCHER_REQUESTS_TRACES_H

#include "engine/dispatcher/loop/dispatcher.h"

// Looks for an id that the event log does not know in the history of the hook. If it is
// a ping, the ping is sent again; if it is an event that was removed, the answer says
// so. The query is answered later. ERR_BUSY: too many queries wait. On an error no
// answer was sent.
MUST_CHECK enum err traces_search(struct dispatcher *d,
                                  const struct hook_state *f,
                                  const struct query *query);

#endif
