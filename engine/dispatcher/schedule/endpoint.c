// SPDX-License-Identifier: MIT
// endpoint.c — an endpoint: the window that hooks with the same receiver share.
//
// An endpoint is scheme, host and port. When an endpoint says that it is overloaded,
// all its hooks are slowed down together. A hook that finds no free capacity waits in
// the endpoint's wait queue, and goes on when an attempt to the endpoint has ended.

#include "engine/dispatcher/schedule/endpoint.h"

#include <stdlib.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/codec.h"
#include "common/base/mem.h"
#include "common/encoding/url.h"
#include "engine/delivery/throttle.h"
#include "engine/dispatcher/schedule/hook_schedule.h"
#include "engine/dispatcher/schedule/schedule.h"

#define TABLE_MIN    256 // a power of two
#define WINDOW_START 16

struct endpoint {
    struct endpoint *next; // with the same hash
    uint64_t hash;
    char *name;              // "https://example.com:443"
    uint32_t n_users;        // hooks, and attempts in flight
    uint32_t n_sent;         // attempts in flight, without slow ones
    uint32_t n_unresponsive; // of n_sent
    struct throttle throttle;
    struct wait_queue room;
    struct wait_queue untrusted; // hooks that did not answer last time
};

static struct endpoint **place_of(const struct dispatcher *d, uint64_t hash)
{
    return &d->endpoints[hash & d->n_endpoints_mask];
}

static void grow(struct dispatcher *d)
{
    size_t n_old = d->endpoints != NULL ? d->n_endpoints_mask + 1 : 0;
    struct endpoint **old = d->endpoints;

    d->n_endpoints_mask = (n_old > 0 ? n_old * 2 : TABLE_MIN) - 1;
    d->endpoints = xcalloc(d->n_endpoints_mask + 1, sizeof(struct endpoint *));
    for (size_t i = 0; i < n_old; i++) {
        struct endpoint *e = old[i];

        while (e != NULL) {
            struct endpoint *next = e->next;
            struct endpoint **head = place_of(d, e->hash);

            e->next = *head;
            *head = e;
            e = next;
        }
    }
    free(old);
}

static struct endpoint *endpoint_new(struct dispatcher *d, struct str name,
                                     uint64_t hash)
{
    struct endpoint *e = xcalloc(1, sizeof(*e));
    struct endpoint **head;

    if (d->endpoints == NULL || d->n_endpoints > d->n_endpoints_mask)
        grow(d);
    e->hash = hash;
    e->name = xstrndup(name.at != NULL ? name.at : "", name.n_bytes);
    throttle_init(&e->throttle, WINDOW_START);
    head = place_of(d, hash);
    e->next = *head;
    *head = e;
    d->n_endpoints++;
    return e;
}

// Unparsable URLs share the endpoint with the empty name.
static void put_name(struct str text, struct buf *name)
{
    struct url url;

    if (url_parse(text, &url, NULL) == OK)
        url_endpoint(&url, name);
}

struct endpoint *endpoint_use(struct dispatcher *d, struct str url)
{
    struct endpoint *e = NULL;
    struct buf name;
    uint64_t hash;

    buf_init(&name, 0);
    put_name(url, &name);
    hash = hash_here(buf_str(&name), 0);
    if (d->endpoints != NULL)
        e = *place_of(d, hash);
    while (e != NULL && !str_is(buf_str(&name), e->name))
        e = e->next;
    if (e == NULL)
        e = endpoint_new(d, buf_str(&name), hash);
    buf_clear(&name);
    e->n_users++;
    return e;
}

void endpoint_drop(struct dispatcher *d, struct endpoint *e)
{
    struct endpoint **link;

    if (e == NULL || --e->n_users > 0)
        return;
    link = place_of(d, e->hash);
    while (*link != e)
        link = &(*link)->next;
    *link = e->next;
    d->n_endpoints--;
    free(e->name);
    free(e);
}

// --- wait queues ---

// --- the window ---

static struct throttle_limits limits_of(const struct dispatcher *d)
{
    return (struct throttle_limits){
        .max_inflight = (uint32_t)d->config->max_inflight_per_endpoint,
    };
}

// How many more attempts the window admits: of hooks that answered last time, or of
// the others, which share half of the window.
static uint32_t n_free(const struct dispatcher *d, const struct endpoint *e,
                       bool is_responsive)
{
    struct throttle_limits limits = limits_of(d);
    uint32_t window = throttle_window(&e->throttle, &limits);
    uint32_t all = window > e->n_sent ? window - e->n_sent : 0;
    uint32_t half = window > 1 ? window / 2 : 1;
    uint32_t part = half > e->n_unresponsive ? half - e->n_unresponsive : 0;

    return is_responsive || all < part ? all : part;
}

bool endpoint_admits(const struct hook_state *f)
{
    return n_free(f->dispatcher, f->endpoint, f->is_responsive) > 0;
}

bool endpoint_is_awaited(const struct hook_state *f)
{
    return f->endpoint->room.first != NULL ||
           (!f->is_responsive && f->endpoint->untrusted.first != NULL);
}

void endpoint_wait(struct hook_state *f)
{
    struct endpoint *e = f->endpoint;

    wait_queue_enter(f->is_responsive ? &e->room : &e->untrusted, f);
}

void endpoint_sent(const struct slot *s)
{
    s->endpoint->n_users++;
    s->endpoint->n_sent++;
    s->endpoint->n_unresponsive += s->is_unresponsive;
}

static void let_go(struct dispatcher *d, struct endpoint *e)
{
    wait_queue_wake(&e->room, n_free(d, e, true));
    wait_queue_wake(&e->untrusted, n_free(d, e, false));
}

void endpoints_look(struct dispatcher *d)
{
    for (size_t i = 0; d->endpoints != NULL && i <= d->n_endpoints_mask; i++) {
        for (struct endpoint *e = d->endpoints[i]; e != NULL; e = e->next)
            let_go(d, e);
    }
}

void endpoint_set_apart(struct dispatcher *d, const struct slot *s)
{
    struct endpoint *e = s->endpoint;

    e->n_sent--;
    e->n_unresponsive -= s->is_unresponsive;
    let_go(d, e);
}

void endpoint_left(struct dispatcher *d, const struct slot *s)
{
    if (!s->is_slow)
        endpoint_set_apart(d, s);
    endpoint_drop(d, s->endpoint);
}

void endpoint_heard(struct dispatcher *d, struct endpoint *e,
                    enum feedback feedback)
{
    struct throttle_limits limits = limits_of(d);

    throttle_ended(&e->throttle, &limits, feedback, clock_mono_us(), 0, 0);
}
