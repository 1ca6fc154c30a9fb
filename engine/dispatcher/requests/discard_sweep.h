// SPDX-License-Identifier: MIT
// discard_sweep.h — dead letters of hooks that are deleted are settled as cancelled.

#ifndef ENGINE_DISPATCHER_REQUESTS_DISCARD_SWEEP_H
#define ENGINE_DISPATCHER_REQUESTS_DISCARD_SWEEP_H

#include "engine/dispatcher/requests/discard_slice.h"

// This hook is deleted: its dead letters are settled as cancelled.
void sweep_hook(struct dispatcher *d, uint64_t hook_id);
void discard_on_second(struct dispatcher *d);
bool sweep_has_work(const struct dispatcher *d);
void sweep_run(struct dispatcher *d, int64_t until_us); // a slice

#endif
