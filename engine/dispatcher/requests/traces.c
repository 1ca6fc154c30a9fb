// SPDX-License-Identifier: MIT
// traces.c — looks for an id that the event log does not know: a ping of the hook,
// whose payload is in its row of the history, or an event that retention has removed,
// which left its attempts.
//
// Happy path: there are three stages: the newest pings of the hook, the attempts at the
// position that an id made by the engine has in it, and the newest attempts. Each stage
// reads some rows at a time, as many as a slice allows, up to a limit.

#include "engine/dispatcher/requests/traces.h"

#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/codec.h"
#include "common/base/mem.h"
#include "common/encoding/id.h"
#include "common/messages/query.h"
#include "common/model/delivery.h"
#include "common/model/event.h"
#include "common/model/hook.h"
#include "engine/dispatcher/deliver/aside.h"
#include "engine/dispatcher/deliver/requesters.h"
#include "engine/dispatcher/loop/dispatcher.h"
#include "engine/dispatcher/requests/ping.h"
#include "engine/dispatcher/requests/slices.h"
#include "engine/dispatcher/schedule/hook_state.h"
#include "engine/dispatcher/schedule/schedule.h"
#include "queue/queue.h"

// How many of a hook's newest pings and attempts are looked at, in all and at once, as
// history.h counts rows.
#define PINGS_COST   10000
#define TRACES_COST  20000
#define COST_AT_ONCE 100

enum stage { STAGE_PINGS, STAGE_PLACE, STAGE_NEWEST, STAGE_NONE };

struct tracing {
    struct sliced sliced; // first: it is cast
    struct dispatcher *d;
    struct query query; // its texts are not kept
    struct hook_state *f;
    enum stage stage;
    uint64_t from_no; // the stage goes on with this row
    size_t cost;      // of the stage so far
    bool is_found;
    enum err err; // of what was found
};

static void respond(const struct tracing *t, enum err err)
{
    requesters_answer_now(t->d,
                          &(struct reply){ .no = t->query.no, .err = err });
}

// --- rows ---

static bool on_ping(void *data, uint64_t no, const struct attempt *a)
{
    struct tracing *t = data;
    const struct hook_scope *scope = &hook_record(t->f)->scope;
    struct event event = { .id = a->event_id,
                           .accepted_at_us = a->accepted_at_us,
                           .dialect = scope->dialect,
                           .kind = a->kind,
                           .org = scope->org,
                           .project = scope->project,
                           .payload = a->payload };

    (void)no;
    if (!id_eq(&a->event_id, &t->query.event_id))
        return true;
    t->is_found = true;
    ping_again(t->d, t->f, &t->query, &event, a->attempt);
    return false;
}

static bool on_trace(void *data, uint64_t no, const struct attempt *a)
{
    struct tracing *t = data;

    (void)no;
    t->is_found = id_eq(&a->event_id, &t->query.event_id);
    t->err = ERR_GONE;
    return !t->is_found;
}

// --- stages ---

static void next_stage(struct tracing *t)
{
    t->stage++;
    t->from_no = 0;
    t->cost = 0;
    // An id that the producer made has no position in it.
    if (t->stage == STAGE_PLACE && id_serial(&t->query.event_id) == 0)
        t->stage++;
}

// Looks at some rows of the stage.
static enum err scan_stage(struct tracing *t)
{
    struct position event = position_start;
    struct history_query query = { .owner_no = hook_state_id(t->f),
                                   .event = &event,
                                   .from_no = t->from_no,
                                   .max_rows = COST_AT_ONCE };
    bool is_ping = t->stage == STAGE_PINGS;
    enum err err;

    if (t->stage == STAGE_PLACE)
        put_be64(event.bytes, id_serial(&t->query.event_id));
    if (t->stage == STAGE_NEWEST)
        query.event = NULL;
    err = history_scan(t->d->history, &query, is_ping ? on_ping : on_trace, t);
    t->from_no = query.last_no;
    t->cost += COST_AT_ONCE;
    if (query.is_end || t->cost >= (is_ping ? PINGS_COST : TRACES_COST))
        next_stage(t);
    return err;
}

// Whether the conditions under which the search began still hold.
static enum err may_go_on(struct tracing *t)
{
    enum err err = on_demand_may_begin(t->d, t->query.hook_id, &t->f);

    if (err == OK && t->stage == STAGE_PINGS && aside_refuses_pings(t->f))
        err = ERR_CRASHED;
    return err;
}

static bool run(struct sliced *s, int64_t until_us)
{
    struct tracing *t = (struct tracing *)s;
    enum err err = may_go_on(t);

    while (err == OK && !t->is_found && t->stage != STAGE_NONE) {
        err = scan_stage(t);
        if (err == OK && !t->is_found && t->stage != STAGE_NONE &&
            clock_mono_us() >= until_us)
            return false;
    }
    if (err == OK)
        err = t->is_found ? t->err : ERR_NOTFOUND;
    if (err != OK)
        respond(t, err);
    return true; // a ping's query is answered when its attempt is committed
}

static void tracing_free(struct sliced *s)
{
    free(s);
}

enum err traces_search(struct dispatcher *d, const struct hook_state *f,
                       const struct query *query)
{
    static const struct sliced_kind kind = { run, tracing_free };
    struct tracing *t = xcalloc(1, sizeof(*t));
    enum err err;

    t->sliced.kind = &kind;
    t->sliced.n_bytes = sizeof(*t);
    t->d = d;
    t->query = (struct query){ .no = query->no,
                               .what = query->what,
                               .hook_id = query->hook_id,
                               .event_id = query->event_id };
    err = slices_add(d, &t->sliced, query, hook_record(f)->org_id);
    if (err != OK)
        free(t);
    return err;
}
