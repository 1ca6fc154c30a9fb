// SPDX-License-Identifier: MIT
// in_flight.c — attempts in flight: what their history needs, and whose capacity they
// use.
//
// Hooks that did not answer their last attempt, or never answered, share half of a
// sender's capacity. An attempt that has been in flight for a second is counted apart,
// so that receivers that hang do not use up the capacity for those that answer.

#include "engine/dispatcher/schedule/in_flight.h"

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/process/metrics.h"
#include "common/process/role.h"
#include "engine/dispatcher/schedule/delivery_table.h"
#include "engine/dispatcher/schedule/endpoint.h"
#include "engine/dispatcher/schedule/hook_schedule.h"
#include "engine/dispatcher/schedule/schedule.h"
#include "engine/dispatcher/schedule/turn.h"

#define SLOW_LOOK_MS       250
#define SLOW_FLIGHT_US     INT64_C(1000000)
#define UNRESPONSIVE_SHARE 2 // hooks that did not answer share 1/2 of a sender

// --- capacity ---

uint32_t sender_share(const struct sender_link *link, uint32_t of)
{
    uint32_t places = (uint32_t)link->dispatcher->config->max_inflight / of;

    return places > 0 ? places : 1;
}

void sender_wake_unresponsive(struct sender_link *link)
{
    uint32_t places = sender_share(link, UNRESPONSIVE_SHARE);

    if (link->n_unresponsive < places)
        wait_queue_wake(&link->untrusted, places - link->n_unresponsive);
}

bool sender_admits_unresponsive(const struct sender_link *link,
                                const struct hook_state *f)
{
    return f->is_responsive ||
           link->n_unresponsive < sender_share(link, UNRESPONSIVE_SHARE);
}

// --- slots ---

void in_flight_init_slots(struct dispatcher *d)
{
    d->n_slots = d->n_senders *
                     (d->config->max_inflight + d->config->max_inflight_slow) +
                 d->config->max_manual;
    d->slots = xcalloc(d->n_slots, sizeof(*d->slots));
    d->free_slot = NO_SLOT;
    for (size_t i = d->n_slots; i > 0; i--) {
        struct slot *s = &d->slots[i - 1];

        s->next_free = d->free_slot;
        d->free_slot = (uint32_t)(i - 1);
        buf_init(&s->kind, 0);
        buf_init(&s->url, 0);
        buf_init(&s->headers, 0);
        buf_init(&s->body, 0);
    }
    buf_init(&d->headers, 0);
}

struct slot *in_flight_take(struct dispatcher *d, struct delivery *dv)
{
    struct slot *s = &d->slots[d->free_slot];
    struct hook_state *f = dv->hook;
    struct sender_link *link = &d->senders[f->sender];

    d->free_slot = s->next_free;
    s->delivery = dv;
    s->sender = f->sender;
    s->endpoint = f->endpoint;
    s->sent_at_us = clock_mono_us();
    s->is_slow = false;
    s->is_unresponsive = !f->is_responsive;
    delivery_enter(dv, DELIVERY_SENT);
    f->n_sent++;
    d->n_sent++;
    link->n_sent++;
    link->n_unresponsive += s->is_unresponsive;
    endpoint_sent(s);
    metrics_gauge(GAUGE_ATTEMPTS_IN_FLIGHT, d->n_sent);
    return s;
}

void in_flight_free(struct dispatcher *d, struct slot *s)
{
    struct sender_link *link = &d->senders[s->sender];

    delivery_enter(s->delivery, DELIVERY_IN_HAND);
    s->delivery->hook->n_sent--;
    d->n_sent--;
    endpoint_left(d, s);
    if (s->is_slow) {
        link->n_slow--;
    } else {
        link->n_sent--;
    }
    if (s->is_unresponsive) {
        link->n_unresponsive--;
        sender_wake_unresponsive(link);
    }
    s->delivery = NULL;
    s->generation++;
    s->next_free = d->free_slot;
    d->free_slot = (uint32_t)(s - d->slots);
    metrics_gauge(GAUGE_ATTEMPTS_IN_FLIGHT, d->n_sent);
}

// --- attempts that take long ---

static void set_apart(struct dispatcher *d, struct slot *s)
{
    struct sender_link *link = &d->senders[s->sender];

    endpoint_set_apart(d, s);
    s->is_slow = true;
    link->n_sent--;
    link->n_slow++;
    if (s->is_unresponsive) {
        s->is_unresponsive = false;
        link->n_unresponsive--;
        sender_wake_unresponsive(link);
    }
}

static void on_slow_timer(uv_timer_t *timer)
{
    struct dispatcher *d = timer->data;
    int64_t before_us = clock_mono_us() - SLOW_FLIGHT_US;

    for (size_t i = 0; i < d->n_slots; i++) {
        struct slot *s = &d->slots[i];

        if (s->delivery != NULL && !s->is_slow && s->sent_at_us < before_us &&
            d->senders[s->sender].n_slow < d->config->max_inflight_slow)
            set_apart(d, s);
    }
    for (unsigned i = 0; i < d->n_senders; i++)
        sender_wake_unresponsive(&d->senders[i]);
    endpoints_look(d);
    turn_mark(d, TURN_SEND);
}

void in_flight_init(struct dispatcher *d)
{
    in_flight_init_slots(d);
    uv_timer_init(role_loop(d->role), &d->slow_timer);
    d->slow_timer.data = d;
    uv_timer_start(&d->slow_timer, on_slow_timer, SLOW_LOOK_MS, SLOW_LOOK_MS);
}
