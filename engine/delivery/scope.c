// SPDX-License-Identifier: MIT
// scope.c — whether an event belongs to a hook's scope.

#include "engine/delivery/scope.h"

bool scope_holds(const struct hook_scope *scope, const struct event *event)
{
    if (scope->dialect != event->dialect || !str_eq(scope->org, event->org))
        return false;
    switch (scope->level) {
    case LEVEL_ORGANIZATION:
        return true;
    case LEVEL_STACK:
        return str_eq(scope->project, event->project) &&
               str_eq(scope->target, event->stack);
    case LEVEL_ENVIRONMENT:
        return str_eq(scope->project, event->project) &&
               str_eq(scope->target, event->env);
    case LEVEL_PROJECT:
        return str_eq(scope->project, event->project);
    }
    return false;
}
