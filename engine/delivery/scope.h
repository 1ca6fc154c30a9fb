// SPDX-License-Identifier: MIT
// scope.h — whose an event is: whether a hook's place in the world is the event's.

#ifndef ENGINE_DELIVERY_SCOPE_H
#define ENGINE_DELIVERY_SCOPE_H

#include <stdbool.h>

#include "queue/queue.h"

// Whether the event is of the family and organization, and of the stack,
// environment or project, that the scope names.
bool scope_holds(const struct hook_scope *scope, const struct event *event);

#endif
