// SPDX-License-Identifier: MIT
// endpoint.c — an endpoint: the window that hooks with the same receiver share.
//
// An endpoint is scheme, host and port. When an endpoint says that it is overloaded,
// all its hooks are slowed down together. A hook that finds no free capacity waits in
// the endpoint's wait queue, and goes on when an attempt to the endpoint has ended.

#include "engine/dispatcher/schedule/endpoint.h"

#include <stdlib.h>

#include "common/base/buf.h"
#include "common/base/codec.h"
#include "common/base/hash_map.h"
#include "common/base/list.h"
#include "common/base/mem.h"
#include "common/encoding/url.h"
#include "engine/delivery/throttle.h"
#include "engine/dispatcher/schedule/hook_schedule.h"
#include "engine/dispatcher/schedule/placement.h"
#include "engine/dispatcher/schedule/schedule.h"

#define WINDOW_START 16

struct endpoint {
    struct hash_node node;
    char *name;              // "https://example.com:443"
    uint32_t n_users;        // hooks, and attempts in flight
    uint32_t n_sent;         // attempts in flight, without slow ones
    uint32_t n_unresponsive; // of n_sent
    struct placement placement;
    struct throttle throttle;
    struct list room;
    struct list unresponsive; // hooks that did not answer last time
    bool wakes_unresponsive;  // these are woken first, the next time
};

static struct endpoint *endpoint_new(struct schedule *s, struct str name,
                                     uint64_t hash)
{
    struct endpoint *e = xcalloc(1, sizeof(*e));

    e->name = xstrndup(name.at != NULL ? name.at : "", name.n_bytes);
    throttle_init(&e->throttle, WINDOW_START);
    placement_begin(s, &e->placement);
    hash_map_add(&s->endpoints, &e->node, hash);
    return e;
}

// Unparsable URLs share the endpoint with the empty name.
static void put_name(struct str text, struct buf *name)
{
    struct url url;

    if (url_parse(text, &url, NULL) == OK)
        url_endpoint(&url, name);
}

struct endpoint *endpoint_use(struct schedule *s, struct str url)
{
    struct hash_node *n;
    struct endpoint *e;
    struct buf name;
    uint64_t hash;

    buf_init(&name, 0);
    put_name(url, &name);
    hash = hash64(buf_str(&name), s->limits.hash_seed);
    n = hash_map_find(&s->endpoints, hash);
    while (n != NULL &&
           !str_is(buf_str(&name), HASH_OBJECT(n, struct endpoint, node)->name))
        n = hash_map_same(n);
    e = HASH_OBJECT(n, struct endpoint, node);
    if (e == NULL)
        e = endpoint_new(s, buf_str(&name), hash);
    buf_clear(&name);
    e->n_users++;
    return e;
}

static void endpoint_free(struct endpoint *e)
{
    free(e->name);
    free(e);
}

void endpoint_drop(struct schedule *s, struct endpoint *e)
{
    if (e == NULL || --e->n_users > 0)
        return;
    hash_map_remove(&s->endpoints, &e->node);
    placement_end(s, &e->placement);
    endpoint_free(e);
}

static struct endpoint *endpoint_next(const struct schedule *s,
                                      const struct endpoint *e)
{
    struct hash_node *n =
        hash_map_next(&s->endpoints, e != NULL ? &e->node : NULL);

    return HASH_OBJECT(n, struct endpoint, node);
}

void endpoints_free(struct schedule *s)
{
    struct endpoint *e;

    while ((e = endpoint_next(s, NULL)) != NULL) {
        hash_map_remove(&s->endpoints, &e->node);
        endpoint_free(e);
    }
    hash_map_clear(&s->endpoints);
}

// --- the window ---

static struct throttle_limits limits_of(const struct schedule *s)
{
    return (struct throttle_limits){
        .max_inflight = s->limits.max_inflight_per_endpoint,
    };
}

// How many more attempts the window admits: of hooks that answered last time, or of
// the others, which share half of the window.
static uint32_t n_free(const struct schedule *s, const struct endpoint *e,
                       bool is_responsive)
{
    struct throttle_limits limits = limits_of(s);
    uint32_t window = throttle_window(&e->throttle, &limits);
    uint32_t all = window > e->n_sent ? window - e->n_sent : 0;
    uint32_t half = window > 1 ? window / 2 : 1;
    uint32_t part = half > e->n_unresponsive ? half - e->n_unresponsive : 0;

    return is_responsive || all < part ? all : part;
}

bool endpoint_admits(const struct schedule *s, const struct hook_state *f)
{
    return n_free(s, f->endpoint, f->is_responsive) > 0;
}

bool endpoint_is_awaited(const struct hook_state *f)
{
    return f->endpoint->room.first != NULL ||
           (!f->is_responsive && f->endpoint->unresponsive.first != NULL);
}

void endpoint_wait(struct hook_state *f)
{
    struct endpoint *e = f->endpoint;

    wait_queue_enter(f->is_responsive ? &e->room : &e->unresponsive, f);
}

void endpoint_sent(const struct in_flight *a)
{
    a->endpoint->n_users++;
    a->endpoint->n_sent++;
    a->endpoint->placement.n_begun++;
    a->endpoint->n_unresponsive += a->is_unresponsive;
}

// Both queues are woken for the same places, and who is woken first gets them: so they
// take turns. Else a hook that has not answered yet would never get a place of a receiver
// that others keep busy.
static void let_go(struct schedule *s, struct endpoint *e)
{
    bool is_first = e->wakes_unresponsive;
    bool both_wait = e->room.first != NULL && e->unresponsive.first != NULL;

    if (is_first)
        wait_queue_wake(s, &e->unresponsive, n_free(s, e, false));
    wait_queue_wake(s, &e->room, n_free(s, e, true));
    if (!is_first)
        wait_queue_wake(s, &e->unresponsive, n_free(s, e, false));
    if (both_wait && n_free(s, e, true) > 0)
        e->wakes_unresponsive = !is_first;
}

void endpoints_look(struct schedule *s)
{
    struct placement_move move;
    struct endpoint *e;

    placement_look_begin(s);
    for (e = endpoint_next(s, NULL); e != NULL; e = endpoint_next(s, e)) {
        let_go(s, e);
        placement_count(s, &e->placement);
    }
    move = placement_want(s);
    if (!move.is_wanted)
        return;
    for (e = endpoint_next(s, NULL); e != NULL; e = endpoint_next(s, e))
        placement_consider(s, &move, &e->placement);
    placement_look_end(s, &move);
}

const struct placement *endpoint_placement(const struct endpoint *e)
{
    return &e->placement;
}

void endpoint_set_apart(struct schedule *s, const struct in_flight *a)
{
    struct endpoint *e = a->endpoint;

    e->n_sent--;
    e->n_unresponsive -= a->is_unresponsive;
    let_go(s, e);
}

void endpoint_left(struct schedule *s, const struct in_flight *a)
{
    if (!a->is_slow)
        endpoint_set_apart(s, a);
    endpoint_drop(s, a->endpoint);
}

void endpoint_heard(struct schedule *s, struct endpoint *e,
                    enum feedback feedback)
{
    struct throttle_limits limits = limits_of(s);

    throttle_ended(&e->throttle, &limits, feedback, s->now_us, 0, 0);
}
