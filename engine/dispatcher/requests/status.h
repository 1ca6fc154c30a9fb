// SPDX-License-Identifier: MIT
// status.h — the status of a hook, for people; of one at once, of many in slices.

#ifndef ENGINE_DISPATCHER_REQUESTS_STATUS_H
#define ENGINE_DISPATCHER_REQUESTS_STATUS_H

#include "engine/dispatcher/loop/dispatcher.h"

struct query;

// Appends a JSON object.
void status_put(struct dispatcher *d, struct hook_state *f, struct buf *out);

// Answers a QUERY_STATUS about many hooks, later. ERR_BUSY: too many queries wait.
MUST_CHECK enum err statuses_start(struct dispatcher *d,
                                   const struct query *query);

#endif
