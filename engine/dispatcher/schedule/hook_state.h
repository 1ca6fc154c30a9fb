// SPDX-License-Identifier: MIT
// hook_state.h — what a hook is at present.

#ifndef ENGINE_DISPATCHER_SCHEDULE_HOOK_STATE_H
#define ENGINE_DISPATCHER_SCHEDULE_HOOK_STATE_H

#include "engine/dispatcher/schedule/schedule.h"

static inline uint64_t hook_state_id(const struct hook_state *f)
{
    return f->no;
}

// Its record as it was reported last; NULL: deleted.
static inline struct hook *hook_record(const struct hook_state *f)
{
    return f->hook;
}

static inline struct hook_notes *hook_notes(const struct hook_state *f)
{
    return f->notes;
}

// They stay the caller's.
static inline void hook_set_notes(struct hook_state *f,
                                  struct hook_notes *notes)
{
    f->notes = notes;
}

// A process died with it, or it is damaged: it sends nothing.
static inline bool hook_is_aside(const struct hook_state *f)
{
    return f->is_aside;
}

// A process died with its rows: they are not read.
static inline bool hook_are_rows_left(const struct hook_state *f)
{
    return f->are_rows_left;
}

// Whether rows of it are in a batch that is not committed yet, as SCHEDULE_SPILLED
// reported.
static inline bool hook_is_spilled(const struct schedule *s,
                                   const struct hook_state *f)
{
    return f->spilled_until > s->n_commits;
}

// The index holds rows that are not in memory.
static inline bool hook_has_rows(const struct hook_state *f)
{
    return f->has_rows;
}

static inline uint32_t hook_n_sent(const struct hook_state *f)
{
    return f->n_sent;
}

static inline uint32_t hook_n_in_memory(const struct hook_state *f)
{
    return f->n_open;
}

static inline const struct throttle *hook_throttle(const struct hook_state *f)
{
    return &f->throttle;
}

// How many attempts may be in flight at once at present.
static inline uint32_t hook_window(const struct hook_state *f)
{
    return throttle_window(&f->throttle, &f->limits);
}

// Not deleted, and not switched off.
static inline bool hook_is_active(const struct hook_state *f)
{
    return f->hook != NULL && f->hook->active;
}

// Active, but matched deliveries wait in the index, and nothing is sent except on
// demand (by hand): it is paused, or awaits its receiver's permission.
static inline bool hook_is_paused(const struct hook_state *f)
{
    return hook_is_active(f) && (f->hook->paused || f->hook->awaits_handshake);
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
