// SPDX-License-Identifier: MIT
// replay_source.h — which deliveries a replay is about, some at a time.

#ifndef ENGINE_DISPATCHER_REQUESTS_REPLAY_SOURCE_H
#define ENGINE_DISPATCHER_REQUESTS_REPLAY_SOURCE_H

#include "engine/dispatcher/schedule/schedule.h"

// Reads some, until then (monotonic): `n_ahead` grows, or `is_read` is set, or
// neither yet. Needs room.
void source_read(struct dispatcher *d, struct running *r,
                 const struct hook_state *f, int64_t until_us);

#endif
