// SPDX-License-Identifier: MIT
// sender.c — the sender process: an order in, one HTTP attempt, an outcome out.
//
// An order that senders have died with is sent alone: it waits until nothing is in
// flight, and all orders that come after it wait until it has ended.
//
// A sender that must be replaced begins no more attempts, ends when nothing is in
// flight, and is started again.
//
// A sender knows nothing of hooks and queues, and keeps no secret: an order carries
// what its attempt needs, such as the key of a client certificate. If a dispatcher
// ends, its attempts run to their end and their outcomes are dropped: the next
// dispatcher sends those deliveries again.

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "common/base/codec.h"
#include "common/base/list.h"
#include "common/base/mem.h"
#include "common/log/log.h"
#include "common/messages/send_order.h"
#include "common/model/shard.h"
#include "common/process/landlock.h"
#include "common/process/metrics.h"
#include "common/process/role.h"
#include "engine/sender/transfer.h"

// Where the outcome of an order goes: the order's number, which the outcome repeats,
// the dispatcher, and which process of the dispatcher sent it.
struct route {
    uint64_t order_no;
    unsigned dispatcher;
    unsigned generation;
};

struct sender;

struct peer {
    struct sender *sender;
    unsigned index;
    unsigned generation;     // counts links to this dispatcher
    struct channel *channel; // NULL: gone
};

// An order that waits.
struct held {
    struct list_node node;
    unsigned dispatcher;
    unsigned generation;
    size_t n_bytes;
    char frame[];
};

struct sender {
    struct role *role;
    struct transfers *transfers;
    struct peer peers[QUEUE_SHARDS_MAX];
    struct route *routes; // by number; grows with what is in flight
    size_t n_routes;
    size_t *free_routes;
    size_t n_free_routes;
    struct list held;
    bool is_alone; // the order in flight is sent alone
    bool is_draining;
    bool is_leaving; // it will be replaced by a new process
};

static size_t route_take(struct sender *s)
{
    if (s->n_free_routes == 0) {
        size_t n = s->n_routes > 0 ? s->n_routes * 2 : 256;

        s->routes = xrealloc(s->routes, n * sizeof(*s->routes));
        s->free_routes = xrealloc(s->free_routes, n * sizeof(*s->free_routes));
        for (size_t i = n; i > s->n_routes; i--)
            s->free_routes[s->n_free_routes++] = i - 1;
        s->n_routes = n;
    }
    return s->free_routes[--s->n_free_routes];
}

// Orders that are still held go back into the hooks' queues in the dispatchers.
static void leave_if_drained(struct sender *s)
{
    metrics_gauge(GAUGE_SENDER_ATTEMPTS,
                  (int64_t)transfers_n_inflight(s->transfers));
    if ((s->is_leaving || (s->is_draining && s->held.first == NULL)) &&
        transfers_n_inflight(s->transfers) == 0)
        role_done(s->role);
}

static void release(struct sender *s);

// Marks of time count from the start of the attempt; 0: that phase did not happen.
static void observe(const struct timing *t)
{
    int64_t ready_us = 0;

    metrics_observe_us(HISTOGRAM_ATTEMPT_SECONDS, t->total_us);
    if (!t->reused_connection && t->connect_us > 0) {
        metrics_observe_us(HISTOGRAM_DNS_SECONDS, t->dns_us);
        metrics_observe_us(HISTOGRAM_CONNECT_SECONDS,
                           t->connect_us - t->dns_us);
        ready_us = t->connect_us;
        if (t->tls_us > 0) {
            metrics_observe_us(HISTOGRAM_TLS_SECONDS,
                               t->tls_us - t->connect_us);
            ready_us = t->tls_us;
        }
    }
    if (t->first_byte_us > 0) {
        metrics_observe_us(HISTOGRAM_RESPONSE_SECONDS,
                           t->first_byte_us - ready_us);
    }
}

static void on_done(void *data, const struct outcome *outcome)
{
    struct sender *s = data;
    struct route route = s->routes[outcome->no];
    struct peer *p = &s->peers[route.dispatcher];
    struct outcome back = *outcome;
    struct blamed before =
        blame_begin(BLAME_ORDER, route.dispatcher, route.order_no);

    s->free_routes[s->n_free_routes++] = outcome->no;
    observe(&outcome->timing);
    back.no = route.order_no;
    if (p->channel != NULL && p->generation == route.generation) {
        outcome_pack(channel_begin(p->channel), &back);
        channel_end_small(p->channel); // an outcome is bounded (send_order.h)
    }
    if (s->is_alone) {
        s->is_alone = false;
        before = (struct blamed){ BLAME_NOTHING, 0, 0 };
    }
    blame_end(before);
    release(s);
    leave_if_drained(s);
}

// Starts an attempt. The note (blame.h) of an order that is sent alone stays until its
// attempt has ended.
static void start(struct peer *p, struct order *order)
{
    struct sender *s = p->sender;
    struct blamed before = blame_begin(BLAME_ORDER, p->index, order->no);
    size_t route = route_take(s);

    s->routes[route] = (struct route){ .order_no = order->no,
                                       .dispatcher = p->index,
                                       .generation = p->generation };
    s->is_alone = order->is_alone;
    order->no = route;
    transfers_start(s->transfers, order);
    metrics_gauge(GAUGE_SENDER_ATTEMPTS,
                  (int64_t)transfers_n_inflight(s->transfers));
    if (!order->is_alone)
        blame_end(before);
}

static bool must_wait(const struct sender *s, const struct order *order)
{
    return s->is_leaving || s->is_alone ||
           (order->is_alone && transfers_n_inflight(s->transfers) > 0);
}

static void hold(const struct peer *p, struct str frame)
{
    struct sender *s = p->sender;
    struct held *h = xmalloc(sizeof(*h) + frame.n_bytes);

    h->dispatcher = p->index;
    h->generation = p->generation;
    h->n_bytes = frame.n_bytes;
    memcpy(h->frame, frame.at, frame.n_bytes);
    list_push(&s->held, &h->node);
}

// Starts the held orders that need not wait any more, in the order in which they came.
static void release(struct sender *s)
{
    struct held *h;

    while ((h = LIST_FIRST(&s->held, struct held, node)) != NULL) {
        struct peer *p = &s->peers[h->dispatcher];
        bool is_wanted = p->channel != NULL && p->generation == h->generation;
        struct order order;

        if (is_wanted &&
            order_unpack((struct str){ h->frame, h->n_bytes }, &order) == OK) {
            if (must_wait(s, &order))
                return;
            start(p, &order);
        }
        (void)list_pop(&s->held); // it is the first
        free(h);
    }
}

static void on_frame(void *data, struct str frame)
{
    struct peer *p = data;
    struct sender *s = p->sender;
    struct order order;

    if (order_unpack(frame, &order) != OK) {
        log_warn("an order from a dispatcher has an invalid form",
                 "dispatcher=%u bytes=%zu", p->index, frame.n_bytes);
    } else if (s->held.first != NULL || must_wait(s, &order)) {
        hold(p, frame);
    } else {
        start(p, &order);
    }
}

static void on_peer_closed(void *data)
{
    struct peer *p = data;

    p->channel = NULL;
}

static void on_link(void *data, enum role_kind kind, unsigned index, int fd)
{
    struct sender *s = data;
    struct peer *p;

    if (kind != ROLE_DISPATCHER || index >= QUEUE_SHARDS_MAX) {
        close(fd);
        return;
    }
    p = &s->peers[index];
    if (p->channel != NULL)
        channel_close(p->channel);
    p->sender = s;
    p->index = index;
    p->generation++;
    p->channel = role_open_channel(
        s->role, ROLE_DISPATCHER, fd,
        &(struct channel_handlers){
            .on_frame = on_frame, .on_closed = on_peer_closed, .data = p });
}

static void on_drain(void *data)
{
    struct sender *s = data;

    s->is_draining = true;
    leave_if_drained(s);
}

// Ends the process if a file for name resolution was replaced: a process that was
// sandboxed before cannot open the new file.
static void on_second(void *data)
{
    struct sender *s = data;

    if (s->is_leaving || !landlock_is_stale())
        return;
    log_info("files of name resolution were replaced; a new sender is started",
             "");
    s->is_leaving = true;
    leave_if_drained(s);
}

static void on_reload(void *data)
{
    struct sender *s = data;

    transfers_reload(s->transfers, role_config(s->role));
}

int sender_role(unsigned index)
{
    struct sender *s = xcalloc(1, sizeof(*s));
    struct role_handlers handlers = { .on_link = on_link,
                                      .on_drain = on_drain,
                                      .on_reload = on_reload,
                                      .on_second = on_second,
                                      .data = s };

    s->role = role_start(ROLE_SENDER, index);
    s->transfers =
        transfers_new(role_loop(s->role), role_config(s->role), on_done, s);
    role_ready(s->role, &handlers);
    return role_run(s->role);
}
