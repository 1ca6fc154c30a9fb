// SPDX-License-Identifier: MIT
// on_demand.c — attempts that somebody asked for: pings and redeliveries.
//
// Happy path: the api process asks; the delivery is found in memory, in the index, or
// in the history if it is settled; it is sent at once, whatever the windows of its hook
// and its sender admit; when the row of the attempt is committed, the answer says where
// the row is.
//
// A delivery that is not settled makes its next attempt now instead of later. A
// delivery that was settled has a prior_state: a success takes it out of the dead
// letters, a failure leaves its state as it was. A ping is a delivery of an event that
// is in no log; its payload is in its row of the history.
//
// A delivery whose last attempt is just being settled cannot be found until that is
// committed: the query waits for the commit.
//
// If it fails: the answer says why. If the api process is gone, no answer is sent; the
// attempt is made and kept all the same.

#include "engine/dispatcher/requests/on_demand.h"

#include <stdlib.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/codec.h"
#include "common/base/list.h"
#include "common/base/mem.h"
#include "common/messages/query.h"
#include "common/model/event.h"
#include "common/process/blame.h"
#include "common/process/metrics.h"
#include "engine/dispatcher/deliver/aside.h"
#include "engine/dispatcher/deliver/requesters.h"
#include "engine/dispatcher/deliver/send.h"
#include "engine/dispatcher/loop/dispatcher.h"
#include "engine/dispatcher/record/commit.h"
#include "engine/dispatcher/requests/ping.h"
#include "engine/dispatcher/requests/reopen.h"
#include "engine/dispatcher/requests/slices.h"
#include "engine/dispatcher/requests/status.h"
#include "engine/dispatcher/requests/traces.h"
#include "engine/dispatcher/schedule/delivery_table.h"
#include "engine/dispatcher/schedule/hook_state.h"
#include "engine/dispatcher/schedule/hook_table.h"
#include "engine/dispatcher/schedule/schedule.h"
#include "queue/queue.h"

// --- sending again ---

static enum err redeliver_event(struct search *s, struct position position)
{
    struct dispatcher *d = s->d;
    struct delivery *dv =
        delivery_find(&d->schedule, hook_state_id(s->f), position);
    enum err err;

    if (dv != NULL &&
        delivery_place(dv) == DELIVERY_SENT) { // wait for that attempt
        requesters_add(d, dv, s->query, &s->query->event_id);
        return OK;
    }
    err = reopen_delivery(d, s->f, position, &dv);
    if (err != OK)
        return err;
    requesters_add(d, dv, s->query, &s->query->event_id);
    // Somebody wants to see whether the delivery still kills the process.
    blame_forgive(BLAME_DELIVERY, hook_state_id(s->f),
                  get_be64(position.bytes));
    delivery_set_deaths(dv, aside_deaths(hook_state_id(s->f), position));
    send_now(d, dv, false);
    return OK;
}

// Sends an event again. An id that the log does not know may be that of a ping, or of
// an event that retention has removed.
static enum err redeliver(struct search *s)
{
    struct position position;
    enum err err =
        event_view_find(s->d->events, s->scope->dialect, s->scope->org,
                        &s->query->event_id, &position);

    if (err == OK)
        return redeliver_event(s, position);
    return err == ERR_NOTFOUND ? traces_search(s->d, s->f, s->query) : err;
}

// --- queries ---

static enum err reply_status(struct dispatcher *d, const struct query *query)
{
    struct hook_state *f = hook_find(&d->schedule, query->hook_id);
    struct reply reply = { .no = query->no };
    struct buf text;

    if (f != NULL && hook_is_aside(f))
        return ERR_CRASHED;
    if (f == NULL || hook_record(f) == NULL)
        return ERR_NOTFOUND;
    buf_init(&text, 0);
    status_put(d, f, &text);
    reply.text = buf_str(&text);
    requesters_answer_now(d, &reply);
    buf_clear(&text);
    return OK;
}

static enum err start(struct dispatcher *d, const struct query *query)
{
    struct search search = { .d = d, .query = query };
    enum err err;

    if (query->what == QUERY_STATUS)
        return reply_status(d, query);
    err = on_demand_may_begin(d, query->hook_id, &search.f);
    if (err != OK)
        return err;
    if (query->what == QUERY_PING && aside_refuses_pings(search.f))
        return ERR_CRASHED;
    search.scope = &hook_record(search.f)->scope;
    if (query->what == QUERY_REDELIVER)
        return redeliver(&search);
    ping_send(&search);
    return OK;
}

// --- waiting for a commit ---

#define SETTLING_MAX_US (2 * INT64_C(1000000))

struct postponed {
    struct list_node node;
    struct buf frame; // the query, packed
    uint64_t n_apis;  // the link that asked
    uint64_t no;      // of the query
    int64_t until_us; // then it is refused
};

struct on_demand {
    struct list postponed; // of struct postponed
    uint32_t n;
};

void on_demand_init(struct dispatcher *d)
{
    d->on_demand = xcalloc(1, sizeof(*d->on_demand));
}

static void postpone(struct dispatcher *d, struct postponed *p)
{
    list_push(&d->on_demand->postponed, &p->node);
    d->on_demand->n++;
    commit_schedule(d);
}

static void let_go(struct postponed *p)
{
    buf_clear(&p->frame);
    free(p);
}

// Whether a query that got ERR_AGAIN has to wait for a commit only.
static bool is_settling(struct dispatcher *d, const struct query *query)
{
    struct hook_state *f;

    return query->what == QUERY_REDELIVER &&
           on_demand_may_begin(d, query->hook_id, &f) == OK;
}

static void try_again(struct dispatcher *d, struct postponed *p)
{
    struct reply reply = { .no = p->no };
    struct blamed before;
    struct query query;

    reply.err = query_unpack(buf_str(&p->frame), &query);
    if (reply.err == OK) {
        before = blame_begin(BLAME_REQUEST, query_hash(&query), 0);
        reply.err = start(d, &query);
        blame_end(before);
        if (reply.err == ERR_AGAIN && clock_mono_us() < p->until_us &&
            is_settling(d, &query)) {
            postpone(d, p);
            return;
        }
    }
    if (reply.err != OK)
        requesters_answer_now(d, &reply);
    let_go(p);
}

void on_demand_on_commit(struct dispatcher *d, enum err err)
{
    struct list due = d->on_demand->postponed;
    struct postponed *p;

    d->on_demand->postponed = (struct list){ 0 };
    while ((p = LIST_POP(&due, struct postponed, node)) != NULL) {
        d->on_demand->n--;
        if (p->n_apis != d->n_apis) {
            let_go(p);
        } else if (err != OK) {
            const struct reply refused = { .no = p->no, .err = err };

            requesters_answer_now(d, &refused);
            let_go(p);
        } else {
            try_again(d, p);
        }
    }
}

void on_demand_forget(struct dispatcher *d, uint64_t no)
{
    struct postponed *next;

    for (struct postponed *p =
             LIST_FIRST(&d->on_demand->postponed, struct postponed, node);
         p != NULL; p = next) {
        next = LIST_NEXT(p, struct postponed, node);
        if (p->no != no || p->n_apis != d->n_apis)
            continue;
        metrics_count(COUNTER_QUESTIONS_DROPPED, 1);
        requesters_answer_now(
            d, &(struct reply){ .no = no,
                                .err = ERR_AGAIN }); // api counts it no more
        list_remove(&d->on_demand->postponed, &p->node);
        d->on_demand->n--;
        let_go(p);
    }
}

enum err on_demand_start(struct dispatcher *d, const struct query *query)
{
    enum err err = start(d, query);
    struct postponed *p;

    if (err != ERR_AGAIN || !is_settling(d, query))
        return err;
    if (requesters_n(d) + d->on_demand->n >= d->config->max_manual)
        return ERR_BUSY;
    p = xcalloc(1, sizeof(*p));
    p->n_apis = d->n_apis;
    p->no = query->no;
    p->until_us = clock_mono_us() + SETTLING_MAX_US;
    buf_init(&p->frame, 0);
    query_pack(&p->frame, query);
    postpone(d, p);
    return OK;
}
