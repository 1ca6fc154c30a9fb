// SPDX-License-Identifier: MIT
// hook_state.h — what a hook is at present.

#ifndef ENGINE_DISPATCHER_SCHEDULE_HOOK_STATE_H
#define ENGINE_DISPATCHER_SCHEDULE_HOOK_STATE_H

#include "engine/dispatcher/schedule/schedule.h"

// Not deleted, and not switched off.
static inline bool hook_is_active(const struct hook_state *f)
{
    return f->hook != NULL && f->hook->active;
}

// Active, but matched deliveries wait in the index, and nothing is sent except on
// demand (by hand).
static inline bool hook_is_paused(const struct hook_state *f)
{
    return hook_is_active(f) && f->hook->paused;
}

// Its deliveries are sent one after the other, in the order of the event log.
static inline bool hook_is_ordered(const struct hook_state *f)
{
    return f->hook != NULL && f->hook->policy.ordered;
}

// Ordered by a field of the payload: events with different values are independent.
static inline bool hook_needs_ordering_key(const struct hook_state *f)
{
    return f->hook->policy.ordered && f->hook->policy.order_key.n_bytes > 0;
}

#endif
