// SPDX-License-Identifier: MIT
// status_routes.c — how it goes: with an organization, with the engine.
//
// What waits, dispatchers report once a second; counts of the engine are in its metrics.
// What nobody counts is read from the shards, in slices: an organization's dead letters
// and failing hooks, and since when something has been due.

#include "api/system/handlers.h"

#include <string.h>

#include "api/core/api_request.h"
#include "api/core/backlog_json.h"
#include "common/base/clock.h"
#include "common/process/metrics.h"
#include "common/process/pulse.h"

#define SHOWN_MAX     10    // organizations
#define HOOKS_MAX     10000 // of an organization, that are looked at
#define HOOKS_AT_ONCE 100   // in one read of the store
#define DEAD_MAX      10000 // of an organization: then counting ends

// --- what is due ---

// Since when something has been due.
struct oldest {
    struct api *api;
    int64_t at_ms;      // INT64_MAX: nothing is due
    struct due_row row; // that is looked at
};

static bool take_accepted(void *data, const struct event *event)
{
    *(int64_t *)data = event->accepted_at_us / 1000;
    return false;
}

// Since when this row of the hook has been due. Rows of ordered hooks have no due time:
// theirs is when the event was accepted.
static bool note_due(void *data, const struct hook *hook)
{
    struct oldest *o = data;
    int64_t at_ms = o->row.due_at_ms;

    if (!hook->active || hook->paused ||
        hook_awaits_handshake(hook, str_of(o->api->config->webhook_origin)))
        return false; // it is not meant to be sent
    if (at_ms == 0 && event_view_get(o->api->events, o->row.position,
                                     take_accepted, &at_ms) != OK)
        return false; // it will be cancelled
    if (at_ms < o->at_ms && at_ms <= clock_now_ms())
        o->at_ms = at_ms;
    return false;
}

static void put_oldest(const struct oldest *o, struct json_writer *w)
{
    if (o->at_ms < INT64_MAX) {
        json_put_i64(w, "oldestDueAt", o->at_ms);
    } else {
        json_put_null(w, "oldestDueAt");
    }
}

// --- organizations ---

struct org_status {
    struct api_request *rq;
    struct hook_scope scope;
    uint64_t org_id;
    struct buf after; // position of the last hook that was looked at
    bool has_more;
    size_t n_in_read, n_hooks, n_failing, n_dead;
    struct oldest oldest;
};

static enum err look_at(struct org_status *s, const struct hook *hook)
{
    const struct api *api = s->rq->api;
    struct shard_view *shard =
        api->shards[queue_shard_of(hook->no, api->n_shards)];
    struct due_row row;
    size_t n_dead;
    enum err err =
        shard_view_dead(shard, hook->no, DEAD_MAX - s->n_dead, &n_dead);

    if (err != OK)
        return err;
    s->n_dead += n_dead;
    s->n_failing += request_hook_is_failing(s->rq, hook);
    err = shard_view_due(shard, hook->no, &row);
    if (err == OK && row.hook_id == hook->no) {
        s->oldest.row = row;
        note_due(&s->oldest, hook);
    }
    return err == ERR_NOTFOUND ? OK : err;
}

struct looking {
    struct org_status *s;
    enum err err;
};

static bool on_hook(void *data, const struct hook *hook)
{
    struct looking *l = data;
    struct org_status *s = l->s;

    if (s->n_in_read == HOOKS_AT_ONCE || s->n_hooks == HOOKS_MAX) {
        s->has_more = true; // this one, at least
        return false;
    }
    s->n_in_read++;
    s->n_hooks++;
    buf_reset(&s->after);
    hook_cursor_put(hook, &s->after);
    l->err = look_at(s, hook);
    return l->err == OK;
}

static void answer_org(struct org_status *s)
{
    struct api_request *rq = s->rq;
    struct org_backlog b;
    struct buf body;
    struct json_writer w = json_writer(&body);

    buf_init(&body, 0);
    backlog_of_org(rq->api->backlogs, s->org_id, &b);
    json_open_object(&w, NULL);
    json_put_str(&w, "organizationName", s->scope.org);
    // Without a number, an organization never had a hook or a token.
    json_put_bool(&w, "exists", s->org_id != 0);
    backlog_put_org(rq->api, &b, &w);
    json_put_u64(&w, "hooks", s->n_hooks);
    json_put_bool(&w, "moreHooks", s->has_more);
    json_put_u64(&w, "failingHooks", s->n_failing);
    json_put_u64(&w, "dead", s->n_dead);
    json_put_bool(&w, "moreDead", s->n_dead == DEAD_MAX);
    put_oldest(&s->oldest, &w);
    json_close(&w);
    request_answer(rq, 200, buf_str(&body));
    buf_clear(&body);
}

static bool work_on_org(struct api_request *rq, int64_t until_us)
{
    struct org_status *s = rq->data;
    struct looking l = { .s = s };

    do {
        struct str after = arena_copy(&rq->arena, buf_str(&s->after));
        enum err err;

        s->n_in_read = 0;
        s->has_more = false;
        err = hook_list_org(rq->api->hooks, s->scope.dialect, s->scope.org,
                            after, on_hook, &l);
        l.err = l.err == OK ? err : l.err;
    } while (l.err == OK && s->has_more && s->n_hooks < HOOKS_MAX &&
             clock_mono_us() < until_us);
    if (l.err != OK) {
        request_fail_store(rq, l.err);
        return true;
    }
    if (s->has_more && s->n_hooks < HOOKS_MAX)
        return false;
    answer_org(s);
    return true;
}

static void org_status_clear(struct api_request *rq)
{
    struct org_status *s = rq->data;

    buf_clear(&s->after);
}

void status_get_org(struct api_request *rq)
{
    struct org_status *s = arena_take(&rq->arena, sizeof(*s));

    memset(s, 0, sizeof(*s));
    s->rq = rq;
    s->oldest = (struct oldest){ .api = rq->api, .at_ms = INT64_MAX };
    buf_init(&s->after, 0);
    rq->data = s;
    rq->on_free = org_status_clear;
    if (request_org(rq, &s->scope) &&
        request_org_no(rq, &s->scope, &s->org_id) && request_count(rq))
        request_work(rq, work_on_org);
}

// --- the engine ---

struct ranking {
    struct org_backlog orgs[SHOWN_MAX]; // the fullest first
    uint64_t bytes[SHOWN_MAX];
    size_t n;
    uint64_t n_rows, n_bytes; // of all organizations
    const struct config *config;
};

static void rank(void *data, const struct org_backlog *b)
{
    struct ranking *r = data;
    struct backlog_share share;
    size_t i;

    backlog_share_now(r->config, b, &share);
    r->n_rows += b->n_rows;
    r->n_bytes += share.n_bytes;
    if (r->n == SHOWN_MAX && r->bytes[SHOWN_MAX - 1] >= share.n_bytes)
        return;
    i = r->n < SHOWN_MAX ? r->n++ : SHOWN_MAX - 1;
    while (i > 0 && r->bytes[i - 1] < share.n_bytes) {
        r->orgs[i] = r->orgs[i - 1];
        r->bytes[i] = r->bytes[i - 1];
        i--;
    }
    r->orgs[i] = *b;
    r->bytes[i] = share.n_bytes;
}

static bool put_org_name(void *data, const struct hook *hook)
{
    json_open_object(data, NULL);
    json_put_str(data, "organizationName", hook->scope.org);
    return false;
}

static void put_ranking(const struct api *api, const struct ranking *r,
                        struct json_writer *w)
{
    for (size_t i = 0; i < r->n; i++) {
        if (hook_get_by_no(api->hooks, r->orgs[i].fullest[0].hook_id,
                           put_org_name, w) != OK)
            continue; // its hooks were deleted: not shown
        backlog_put_org(api, &r->orgs[i], w);
        json_close(w);
    }
}

struct engine_status {
    struct api_request *rq;
    unsigned shard;   // that is looked at
    uint64_t from_no; // hooks with smaller numbers are done there
    struct oldest oldest;
    struct ranking ranking;
};

static void put_roles(struct json_writer *w)
{
    struct buf why;

    buf_init(&why, 0);
    json_open_array(w, "roles");
    for (size_t i = 0; i < metrics_slots(); i++) {
        if (pulse_state_of(i) == PULSE_NONE)
            continue;
        buf_reset(&why);
        json_open_object(w, NULL);
        json_put_text(w, "name", metrics_slot_name(i));
        json_put_bool(w, "ready", pulse_works(i, &why));
        json_put_given(w, "reason", buf_str(&why));
        json_put_i64(w, "pid", metrics_gauge_of(i, GAUGE_PID));
        json_put_u64(w, "restarts", metrics_counter_of(i, COUNTER_RESTARTS));
        json_put_i64(w, "residentBytes",
                     metrics_gauge_of(i, GAUGE_RESIDENT_BYTES));
        json_close(w);
    }
    json_close(w);
    buf_clear(&why);
}

static void put_sum(struct json_writer *w, const char *key, enum gauge gauge)
{
    json_put_i64(w, key, metrics_sum_gauge(gauge, NULL));
}

static void answer_engine(struct engine_status *s)
{
    struct api_request *rq = s->rq;
    const struct config *config = rq->api->config;
    int64_t used = metrics_sum_gauge(GAUGE_QUEUE_BYTES, NULL);
    struct ranking *r = &s->ranking;
    struct buf body;
    struct json_writer w = json_writer(&body);

    *r = (struct ranking){ .config = config };
    backlog_each_org(rq->api->backlogs, rank, r);
    buf_init(&body, 0);
    json_open_object(&w, NULL);
    json_put_i64(&w, "queueBytes", used);
    json_put_u64(&w, "maxQueueBytes", config->max_queue_bytes);
    json_put_bool(&w, "refusing",
                  used > 0 &&
                      (uint64_t)used > config->max_queue_bytes / 10 * 8);
    json_put_u64(&w, "waiting", r->n_rows);
    json_put_u64(&w, "waitingBytes", r->n_bytes);
    put_sum(&w, "due", GAUGE_DUE);
    put_oldest(&s->oldest, &w);
    put_sum(&w, "inFlight", GAUGE_ATTEMPTS_IN_FLIGHT);
    put_sum(&w, "dead", GAUGE_DEAD);
    put_sum(&w, "pausedHooks", GAUGE_HOOKS_PAUSED);
    json_put_i64(&w, "failingHooks",
                 metrics_sum_gauge(GAUGE_HOOKS_FAILING, NULL) +
                     metrics_sum_gauge(GAUGE_HOOKS_BREAKER_OPEN, NULL));
    put_roles(&w);
    json_open_array(&w, "organizations");
    put_ranking(rq->api, r, &w);
    json_close(&w);
    json_close(&w);
    request_answer(rq, 200, buf_str(&body));
    buf_clear(&body);
}

// Looks at the next hook that has due rows. Only if its first one is older than what was
// found so far, its record is read.
static enum err look_at_next(struct engine_status *s)
{
    const struct api *api = s->rq->api;
    struct due_row row;
    enum err err = shard_view_due(api->shards[s->shard], s->from_no, &row);

    if (err == ERR_NOTFOUND) {
        s->shard++;
        s->from_no = 0;
        return OK;
    }
    if (err != OK)
        return err;
    s->from_no = row.hook_id + 1;
    s->oldest.row = row;
    if (row.due_at_ms < s->oldest.at_ms)
        err = hook_get_by_no(api->hooks, row.hook_id, note_due, &s->oldest);
    return err == ERR_NOTFOUND ? OK : err;
}

static bool work_on_engine(struct api_request *rq, int64_t until_us)
{
    struct engine_status *s = rq->data;

    while (s->shard < rq->api->n_shards) {
        enum err err = look_at_next(s);

        if (err != OK) {
            request_fail_store(rq, err);
            return true;
        }
        if (clock_mono_us() >= until_us)
            return false;
    }
    answer_engine(s);
    return true;
}

void status_get_engine(struct api_request *rq)
{
    struct engine_status *s = arena_take(&rq->arena, sizeof(*s));

    memset(s, 0, sizeof(*s));
    s->rq = rq;
    s->oldest = (struct oldest){ .api = rq->api, .at_ms = INT64_MAX };
    rq->data = s;
    if (request_count(rq))
        request_work(rq, work_on_engine);
}
