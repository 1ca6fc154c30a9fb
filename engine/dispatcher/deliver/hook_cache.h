// hook_cache.h — follows the hooks of this shard.

#ifndef ENGINE_DISPATCHER_DELIVER_HOOK_CACHE_H
#define ENGINE_DISPATCHER_DELIVER_HOOK_CACHE_H

#include "engine/dispatcher/schedule/schedule.h"

// Reads what changed since last time. Exits the process if the store fails.
void followed_refresh(struct dispatcher *d);

// The settings have changed.
void followed_reload(struct dispatcher *d);

#endif
