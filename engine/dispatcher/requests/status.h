// SPDX-License-Identifier: MIT
// status.h — the status of a hook, for people.

#ifndef ENGINE_DISPATCHER_REQUESTS_STATUS_H
#define ENGINE_DISPATCHER_REQUESTS_STATUS_H

#include "engine/dispatcher/loop/dispatcher.h"

// Appends a JSON object.
void status_put(struct dispatcher *d, struct hook_state *f, struct buf *out);

#endif
