// SPDX-License-Identifier: MIT
// hook_cache.h — follows the hooks of this shard.

#ifndef ENGINE_DISPATCHER_DELIVER_HOOK_CACHE_H
#define ENGINE_DISPATCHER_DELIVER_HOOK_CACHE_H

#include "engine/dispatcher/loop/dispatcher.h"

void hook_cache_init(struct dispatcher *d);
// The revision of the store of hooks that was read last.
uint64_t hook_cache_seen(const struct dispatcher *d);

// Reads the hooks that changed since the last call. Exits the process if the store
// fails.
void hook_cache_refresh(struct dispatcher *d);

// The settings have changed.
void hook_cache_reload(struct dispatcher *d);

#endif
