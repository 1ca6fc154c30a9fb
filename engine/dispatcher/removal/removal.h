// SPDX-License-Identifier: MIT
// removal.h — what is removed from a dispatcher's shard: what is past retention, and what
// it has of an organization that is erased.

#ifndef ENGINE_DISPATCHER_REMOVAL_REMOVAL_H
#define ENGINE_DISPATCHER_REMOVAL_REMOVAL_H

#include "engine/dispatcher/loop/dispatcher.h"

// The store is open.
void removal_init(struct dispatcher *d);
// Removes what may be removed, in small steps with commits in between.
void removal_on_second(struct dispatcher *d);

#endif
