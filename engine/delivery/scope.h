// SPDX-License-Identifier: MIT
// scope.h — whether an event belongs to a hook's scope.

#ifndef ENGINE_DELIVERY_SCOPE_H
#define ENGINE_DELIVERY_SCOPE_H

#include <stdbool.h>

#include "queue/queue.h"

// Whether the event has the dialect and organization, and the stack, environment or
// project, that the scope names.
bool scope_holds(const struct hook_scope *scope, const struct event *event);

#endif
