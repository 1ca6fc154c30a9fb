// SPDX-License-Identifier: MIT
// in_flight.c — attempts in flight, and whose capacity they use.
//
// Hooks that did not answer their last attempt, or never answered, share half of a
// sender's capacity. An attempt that has been in flight for a second is counted apart,
// so that receivers that hang do not use up the capacity for those that answer.

#include "engine/dispatcher/schedule/in_flight.h"

#include "common/base/mem.h"
#include "engine/dispatcher/schedule/delivery_table.h"
#include "engine/dispatcher/schedule/endpoint.h"
#include "engine/dispatcher/schedule/hook_schedule.h"
#include "engine/dispatcher/schedule/schedule.h"

#define SLOW_FLIGHT_US     INT64_C(1000000)
#define UNRESPONSIVE_SHARE 2 // hooks that did not answer share 1/2 of a sender

// --- capacity ---

uint32_t sender_share(const struct schedule *s, uint32_t of)
{
    uint32_t places = s->limits.max_inflight / of;

    return places > 0 ? places : 1;
}

static void wake_unresponsive(struct schedule *s, struct sender *sender)
{
    uint32_t places = sender_share(s, UNRESPONSIVE_SHARE);

    if (sender->n_unresponsive < places) {
        wait_queue_wake(s, &sender->unresponsive,
                        places - sender->n_unresponsive);
    }
}

bool sender_admits_unresponsive(const struct schedule *s,
                                const struct sender *sender,
                                const struct hook_state *f)
{
    return f->is_responsive ||
           sender->n_unresponsive < sender_share(s, UNRESPONSIVE_SHARE);
}

// --- slots ---

void in_flight_init(struct schedule *s)
{
    const struct schedule_limits *l = &s->limits;

    s->n_slots = (size_t)l->n_senders *
                     ((size_t)l->max_inflight + l->max_inflight_slow) +
                 l->max_on_demand;
    s->slots = xcalloc(s->n_slots, sizeof(*s->slots));
    s->free_slot = NO_SLOT;
    for (size_t i = s->n_slots; i > 0; i--) {
        s->slots[i - 1].next_free = s->free_slot;
        s->free_slot = (uint32_t)(i - 1);
    }
}

void in_flight_set_notes(struct schedule *s, size_t i,
                         struct attempt_notes *notes)
{
    s->slots[i].notes = notes;
}

struct in_flight *in_flight_find(struct schedule *s, unsigned sender,
                                 uint64_t tag)
{
    uint64_t i = tag & UINT32_MAX;
    struct in_flight *a = &s->slots[i < s->n_slots ? i : 0];

    return a->delivery != NULL && a->sender == sender &&
                   in_flight_tag(s, a) == tag
               ? a
               : NULL;
}

struct in_flight *in_flight_next(struct schedule *s, unsigned sender, size_t *i)
{
    while (*i < s->n_slots) {
        struct in_flight *a = &s->slots[(*i)++];

        if (a->delivery != NULL && a->sender == sender)
            return a;
    }
    return NULL;
}

struct in_flight *in_flight_take(struct schedule *s, struct delivery *dv)
{
    struct in_flight *a = &s->slots[s->free_slot];
    struct hook_state *f = dv->hook;
    struct sender *sender = &s->senders[f->sender];

    s->free_slot = a->next_free;
    a->delivery = dv;
    a->sender = f->sender;
    a->endpoint = f->endpoint;
    a->sent_at_us = s->now_us;
    a->is_slow = false;
    a->is_probe = false;
    a->is_unresponsive = !f->is_responsive;
    delivery_enter(dv, DELIVERY_SENT);
    f->n_sent++;
    s->n_sent++;
    sender->n_sent++;
    sender->n_unresponsive += a->is_unresponsive;
    endpoint_sent(a);
    return a;
}

void in_flight_free(struct schedule *s, struct in_flight *a)
{
    struct sender *sender = &s->senders[a->sender];
    struct delivery *dv = a->delivery;

    delivery_enter(dv, DELIVERY_IN_HAND);
    dv->hook->n_sent--;
    s->n_sent--;
    a->delivery = NULL;
    a->generation++;
    a->next_free = s->free_slot;
    s->free_slot = (uint32_t)(a - s->slots);
    endpoint_left(s, a);
    if (a->is_slow) {
        sender->n_slow--;
    } else {
        sender->n_sent--;
    }
    if (a->is_unresponsive) {
        sender->n_unresponsive--;
        wake_unresponsive(s, sender);
    }
}

// --- attempts that take long ---

static void set_apart(struct schedule *s, struct in_flight *a)
{
    struct sender *sender = &s->senders[a->sender];

    endpoint_set_apart(s, a);
    a->is_slow = true;
    sender->n_sent--;
    sender->n_slow++;
    if (a->is_unresponsive) {
        a->is_unresponsive = false;
        sender->n_unresponsive--;
        wake_unresponsive(s, sender);
    }
}

void in_flight_look_for_slow(struct schedule *s)
{
    int64_t before_us = s->now_us - SLOW_FLIGHT_US;

    for (size_t i = 0; i < s->n_slots; i++) {
        struct in_flight *a = &s->slots[i];

        if (a->delivery != NULL && !a->is_slow && a->sent_at_us < before_us &&
            s->senders[a->sender].n_slow < s->limits.max_inflight_slow)
            set_apart(s, a);
    }
    for (unsigned i = 0; i < s->limits.n_senders; i++)
        wake_unresponsive(s, &s->senders[i]);
    endpoints_look(s);
    hooks_hand_over(s);
}
