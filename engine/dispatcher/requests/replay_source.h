// SPDX-License-Identifier: MIT
// replay_source.h — which deliveries a replay sends, read some at a time.

#ifndef ENGINE_DISPATCHER_REQUESTS_REPLAY_SOURCE_H
#define ENGINE_DISPATCHER_REQUESTS_REPLAY_SOURCE_H

#include "engine/dispatcher/loop/dispatcher.h"

struct running;

// Reads some deliveries until `until_us` (monotonic): `n_ahead` grows, or `is_read` is
// set, or neither yet. `r->ahead` must have room.
void source_read(struct dispatcher *d, struct running *r,
                 const struct hook_state *f, int64_t until_us);

#endif
