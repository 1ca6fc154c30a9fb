// SPDX-License-Identifier: MIT
// place.h — a place where hooks are: an organization, a stack, an environment, or a
// project of Akinon.

#ifndef API_HOOKS_PLACE_H
#define API_HOOKS_PLACE_H

#include "queue/queue.h"

// The kind of a place as lists of an organization name it; a static string.
static inline const char *place_kind(enum hook_level level)
{
    return level == LEVEL_PROJECT ? "akinon" : hook_level_name(level);
}

#endif
