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
// If it fails: the answer says why. If the api process is gone, no answer is sent; the
// attempt is made and kept all the same.

#include "engine/dispatcher/requests/on_demand.h"

#include "common/base/buf.h"
#include "common/base/codec.h"
#include "common/messages/query.h"
#include "common/model/event.h"
#include "common/process/blame.h"
#include "engine/dispatcher/deliver/aside.h"
#include "engine/dispatcher/deliver/requesters.h"
#include "engine/dispatcher/deliver/send.h"
#include "engine/dispatcher/loop/dispatcher.h"
#include "engine/dispatcher/requests/ping.h"
#include "engine/dispatcher/requests/reopen.h"
#include "engine/dispatcher/requests/status.h"
#include "engine/dispatcher/requests/traces.h"
#include "engine/dispatcher/schedule/delivery_table.h"
#include "engine/dispatcher/schedule/hook_state.h"
#include "engine/dispatcher/schedule/hook_table.h"
#include "engine/dispatcher/schedule/schedule.h"
#include "queue/queue.h"

// --- answers ---

// --- what became of it ---

// --- starting ---

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

enum err on_demand_start(struct dispatcher *d, const struct query *query)
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
