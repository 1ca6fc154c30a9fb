// SPDX-License-Identifier: MIT
// in_flight.h — attempts in flight, and whose capacity they use.

#ifndef ENGINE_DISPATCHER_SCHEDULE_IN_FLIGHT_H
#define ENGINE_DISPATCHER_SCHEDULE_IN_FLIGHT_H

#include "engine/dispatcher/schedule/schedule.h"

// The delivery, which is never NULL.
static inline struct delivery *in_flight_delivery(const struct in_flight *a)
{
    return a->delivery;
}

static inline struct attempt_notes *in_flight_notes(const struct in_flight *a)
{
    return a->notes;
}

static inline unsigned in_flight_sender(const struct in_flight *a)
{
    return a->sender;
}

static inline int64_t in_flight_sent_at_us(const struct in_flight *a)
{
    return a->sent_at_us; // monotonic
}

// Tells this attempt from all others that this process has had in flight.
static inline uint64_t in_flight_tag(const struct schedule *s,
                                     const struct in_flight *a)
{
    return (uint64_t)a->generation << 32 | (uint64_t)(a - s->slots);
}

// The attempt with this tag, if it is in flight at this sender; else NULL.
struct in_flight *in_flight_find(struct schedule *s, unsigned sender,
                                 uint64_t tag);

// The next attempt in flight at this sender, from slot `*i` on; NULL: there is no more.
// Attempts that were returned may end in the meantime.
struct in_flight *in_flight_next(struct schedule *s, unsigned sender,
                                 size_t *i);

// Gives slot `i`, of in_flight_slots(), its notes, which stay the caller's.
void in_flight_set_notes(struct schedule *s, size_t i,
                         struct attempt_notes *notes);

// How many attempts may be in flight at once.
static inline size_t in_flight_slots(const struct schedule *s)
{
    return s->n_slots;
}

static inline bool in_flight_is_full(const struct schedule *s)
{
    return s->free_slot == NO_SLOT;
}

// Makes the slots: one for each attempt that the limits admit.
void in_flight_init(struct schedule *s);

// 1/`of` of a sender's capacity (attempts at once), at least 1.
uint32_t sender_share(const struct schedule *s, uint32_t of);

// Whether the sender's share for hooks that did not answer has room for this hook;
// always true for a hook that answered last time. Changes nothing.
bool sender_admits_unresponsive(const struct schedule *s,
                                const struct sender *sender,
                                const struct hook_state *f);

// Takes a slot for an attempt of `dv`, which is in hand, with its hook's sender. A slot
// must be free.
struct in_flight *in_flight_take(struct schedule *s, struct delivery *dv);

// Frees the slot; its delivery is in hand. Hooks that waited for the capacity wake.
void in_flight_free(struct schedule *s, struct in_flight *a);

// Counts attempts apart that have been in flight for long, so that receivers that hang
// do not use up the capacity for those that answer; and wakes hooks that wait for
// capacity that is free: a hook that was woken earlier may have been unable to use it.
void in_flight_look_for_slow(struct schedule *s);

#endif
