// SPDX-License-Identifier: MIT
// erasing.c — organizations that are erased: the part of it that is the api process's.
//
// Happy path: hooks and tokens are removed, some with each write; then the marks of the
// dispatchers are awaited, then that of ingest; then names are removed. Each step is a
// write of its own, after which the record says which step is next.
//
// If it fails: the write is begun again a second later. After a restart the record says
// where to go on.

#include "api/tenants/erasing.h"

#include <inttypes.h>
#include <string.h>

#include "api/dashboard/session.h"
#include "common/base/mem.h"
#include "common/log/log.h"
#include "common/model/akinon_names.h"

#define LOOK_MS 100 // between two looks at the marks of others

struct erasing {
    uv_timer_t timer;
    struct erasure now; // as it was when its write began
    bool is_writing;
};

// --- what others have done ---

static bool are_shards_done(const struct api *api, struct erasure *e)
{
    bool are_done = true;

    e->counts.attempts = 0;
    for (unsigned k = 0; k < api->n_shards; k++) {
        struct erasure_mark mark;

        if (shard_view_erasure(api->shards[k], &mark) != OK)
            return false;
        are_done = are_done && erasure_mark_is_done(&mark, &e->id);
        if (id_eq(&mark.id, &e->id))
            e->counts.attempts += mark.n_removed;
    }
    return are_done;
}

static bool is_log_done(const struct api *api, struct erasure *e)
{
    struct erasure_mark mark;

    e->counts.events = 0;
    if (event_view_erasure(api->events, &mark) != OK)
        return false;
    if (id_eq(&mark.id, &e->id))
        e->counts.events = mark.n_removed;
    return erasure_mark_is_done(&mark, &e->id);
}

void erasing_count(const struct api *api, struct erasure *e)
{
    if (e->step == ERASE_DELIVERIES)
        (void)are_shards_done(api, e);
    if (e->step == ERASE_EVENTS)
        (void)is_log_done(api, e);
}

// --- the steps ---

// The organization's hooks count no more, and nobody is logged in to it, also in the file
// of sessions. Done before the last step, too: an earlier process may have been killed.
static void let_go(struct api *api, const struct erasure *e)
{
    struct shares *const shares[] = { &api->shares[CAP_HOOKS],
                                      &api->shares[CAP_PATTERNS] };

    for (size_t i = 0; i < 4; i++) {
        uint64_t org_no = e->org_nos[i / 2];
        uint64_t n = org_no != 0 ? shares_of(shares[i % 2], org_no) : 0;

        if (n > 0)
            shares_remove(shares[i % 2], org_no, n);
    }
    session_forget_org(api, erasure_org(e));
    dashboard_keep_now(api->dashboard, api->config->data_dir);
}

static void on_written(void *data, const struct catalog_result *result)
{
    struct api *api = data;
    struct erasing *s = api->erasing;
    struct erasure e;

    s->is_writing = false;
    if (result->err != OK) {
        log_warn("the erasure of an organization cannot go on now", "reason=%s",
                 log_quote(str_of(err_str(result->err))));
        return;
    }
    api_hint(api);
    if (erasure_find(api->hooks, &s->now.id, &e) == OK &&
        e.step != s->now.step) {
        if (s->now.step == ERASE_HOOKS)
            let_go(api, &s->now);
        if (e.step == ERASE_DONE) {
            log_info("an organization was erased",
                     "hooks=%" PRIu64 " tokens=%" PRIu64 " attempts=%" PRIu64
                     " events=%" PRIu64,
                     e.counts.hooks, e.counts.tokens, e.counts.attempts,
                     e.counts.events);
        }
    }
    erasing_go_on(api);
}

static void work(struct api *api, struct erasure *e)
{
    const struct catalog_caller caller = { .done = on_written, .data = api };
    struct erasing *s = api->erasing;

    s->now = *e;
    if (e->step == ERASE_NAMES)
        let_go(api, e);
    switch (e->step) {
    case ERASE_HOOKS:
    case ERASE_NAMES:
        s->is_writing = true;
        erasure_work(api->hooks, e->no, &caller);
        break;
    case ERASE_DELIVERIES:
        s->is_writing = are_shards_done(api, e);
        if (s->is_writing) {
            erasure_pass(api->hooks, e->no, e->step, e->counts.attempts,
                         &caller);
        }
        break;
    case ERASE_EVENTS:
        s->is_writing = is_log_done(api, e);
        if (s->is_writing)
            erasure_pass(api->hooks, e->no, e->step, e->counts.events, &caller);
        break;
    case ERASE_DONE:
        break;
    }
}

static void look(struct api *api)
{
    struct erasing *s = api->erasing;
    struct erasure e;

    if (s->is_writing || erasure_first(api->hooks, &e) != OK)
        return;
    work(api, &e);
    if (!s->is_writing)
        erasing_go_on(api);
}

static void on_timer(uv_timer_t *timer)
{
    look(timer->data);
}

void erasing_go_on(struct api *api)
{
    bool is_own = api->erasing->now.step == ERASE_HOOKS ||
                  api->erasing->now.step == ERASE_NAMES;

    // Not from here: the caller may be a callback of a write.
    uv_timer_start(&api->erasing->timer, on_timer, is_own ? 0 : LOOK_MS, 0);
}

void erasing_on_second(struct api *api)
{
    look(api);
}

void erasing_init(struct api *api)
{
    api->erasing = xcalloc(1, sizeof(*api->erasing));
    uv_timer_init(role_loop(api->role), &api->erasing->timer);
    api->erasing->timer.data = api;
}

// --- who has to wait ---

bool erasing_admits(struct api_request *rq)
{
    struct str org = rq->match.params[PARAM_ORG];
    const struct route *route = rq->match.route;
    char lower[AKINON_ID_BYTES];
    bool is_leaving;
    enum err err;

    if (org.n_bytes == 0 || route == NULL || route->is_for_erased)
        return true;
    if (akinon_is_id(org)) {
        akinon_lower_id(org, lower);
        org = (struct str){ lower, sizeof(lower) };
    }
    err = erasure_is_of(rq->api->hooks, org, &is_leaving);
    if (err != OK) {
        request_fail_store(rq, err);
        return false;
    }
    if (!is_leaving)
        return true;
    http_fail(
        rq->http, 409, STR_EMPTY,
        "the organization %s is being erased; GET /api/erasures tells how "
        "far that is",
        log_quote(org));
    return false;
}
