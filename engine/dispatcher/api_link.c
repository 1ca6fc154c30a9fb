// SPDX-License-Identifier: MIT
// api_link.c — the link to the api process, and the queries that it sends.
//
// Happy path: a query is read, and passed to the module that answers it, now or after a
// commit.
//
// If it fails: a query that dispatchers died with three times is answered with
// ERR_CRASHED.

#include "engine/dispatcher/api_link.h"

#include "common/base/codec.h"
#include "common/log/log.h"
#include "common/messages/query.h"
#include "common/process/blame.h"
#include "common/process/channel.h"
#include "common/process/role.h"
#include "common/process/role_kind.h"
#include "engine/dispatcher/deliver/hook_cache.h"
#include "engine/dispatcher/deliver/requesters.h"
#include "engine/dispatcher/loop/dispatcher.h"
#include "engine/dispatcher/loop/turn.h"
#include "engine/dispatcher/record/backlog.h"
#include "engine/dispatcher/requests/discard.h"
#include "engine/dispatcher/requests/explain.h"
#include "engine/dispatcher/requests/on_demand.h"
#include "engine/dispatcher/requests/replay_jobs.h"
#include "engine/dispatcher/requests/slices.h"
#include "engine/dispatcher/requests/status.h"

static void refuse(struct dispatcher *d, const struct query *query,
                   enum err err)
{
    requesters_answer_now(d, &(struct reply){ .no = query->no, .err = err });
}

static void run_query(struct dispatcher *d, const struct query *query)
{
    enum err err;

    if (query->what == QUERY_REPLAY || query->what == QUERY_CANCEL_REPLAY) {
        replays_on_query(d, query);
        return;
    }
    if (query->what == QUERY_DISCARD) {
        discard_on_query(d, query);
        return;
    }
    if (query->what == QUERY_EXPLAIN) {
        err = explain_start(d, query);
    } else if (query->what == QUERY_DRAFT) {
        err = explain_draft_start(d, query);
    } else if (query->what == QUERY_STATUS && query->hook_id == 0) {
        err = statuses_start(d, query);
    } else {
        err = on_demand_start(d, query);
    }
    if (err != OK)
        refuse(d, query, err);
}

// The client that sent this query is gone. What was begun for it, such as an attempt,
// goes on.
static void forget(struct dispatcher *d, uint64_t no)
{
    if (no == 0)
        return;
    slices_drop(d, no);
    discard_forget(d, no);
    jobs_forget(d, no);
    on_demand_forget(d, no);
}

static void on_frame(void *data, struct str frame)
{
    struct dispatcher *d = data;
    struct unpack u = unpack_of(frame);
    uint64_t type = unpack_u64(&u);
    struct blamed before;
    struct query query;
    uint64_t hash;

    hook_cache_refresh(d); // the hook may be new
    turn_mark(d, TURN_READ);
    if (type == FRAME_HINT)
        return;
    if (type == FRAME_FORGET) {
        forget(d, unpack_u64(&u));
        return;
    }
    if (query_unpack(frame, &query) != OK) {
        // The query would stay open for ever in api; the end of the link ends it.
        log_warn("a query from the API has an invalid form; the link is closed",
                 "bytes=%zu", frame.n_bytes);
        channel_refuse(d->api);
        return;
    }
    hash = query_hash(&query);
    if (blame_deaths(BLAME_REQUEST, hash, 0) >= BLAME_ASIDE) {
        refuse(d, &query, ERR_CRASHED);
        return;
    }
    before = blame_begin(BLAME_REQUEST, hash, 0);
    run_query(d, &query);
    blame_end(before);
}

static void on_closed(void *data)
{
    struct dispatcher *d = data;

    d->api = NULL; // the supervisor brings a new link
}

void questions_on_link(struct dispatcher *d, int fd)
{
    if (d->api != NULL)
        channel_close(d->api);
    d->n_apis++;
    slices_drop(d, 0);
    backlog_on_link(d);
    d->api = role_open_channel(
        d->role, ROLE_API, fd,
        &(struct channel_handlers){
            .on_frame = on_frame, .on_closed = on_closed, .data = d });
}
