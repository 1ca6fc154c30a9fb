// SPDX-License-Identifier: MIT
// discard_sweep.h — settles dead letters of deleted hooks as cancelled.

#ifndef ENGINE_DISPATCHER_REQUESTS_DISCARD_SWEEP_H
#define ENGINE_DISPATCHER_REQUESTS_DISCARD_SWEEP_H

#include "engine/dispatcher/requests/discard_slice.h"

// This hook is deleted: its dead letters will be settled as cancelled.
void sweep_hook(struct dispatcher *d, uint64_t hook_id);
void discard_on_second(struct dispatcher *d);
bool sweep_has_work(const struct dispatcher *d);
// Whether the search of the start goes on: it may find hooks that nobody knows of.
bool sweep_is_walking(const struct dispatcher *d);
// Visits the deleted hooks of which dead letters may be left, also those of a delivery in
// memory. Return false to end it.
typedef bool (*sweep_visit)(void *data, uint64_t hook_id);
void sweep_each(const struct dispatcher *d, sweep_visit visit, void *data);
void sweep_run(struct dispatcher *d, int64_t until_us); // does a slice

#endif
