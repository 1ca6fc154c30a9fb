// SPDX-License-Identifier: MIT
// replay_routes.c — handlers of the routes that send many deliveries once more.
//
// Happy path: the body chooses deliveries; the dispatchers count them one after the
// other, store the replay, and send on their own. The progress of a replay is read from
// their LMDB environments, and summed over its hooks.

#include "api/deliveries/handlers.h"

#include <inttypes.h>
#include <string.h>

#include "api/core/api_request.h"
#include "api/core/audit.h"
#include "api/deliveries/selection.h"
#include "common/encoding/crypto.h"
#include "common/log/log.h"

#define COUNT_TIMEOUT_MS (INT64_C(10) * 60 * 1000)
#define LIST_MAX         1000
#define SCAN_MAX         2000 // replays read for one piece, including others' replays

// --- creating ---

static bool check_selection(struct selection *s)
{
    struct history_filter *f = &s->replay.filter;

    if (!s->replay.unmatched) {
        if (!s->has_state && s->ids.n_bytes == 0)
            f->states = 1U << DELIVERY_DEAD;
        return true;
    }
    if (f->since_us == INT64_MIN)
        return selection_refuse(s, "since", "a time, which unmatched needs");
    if (s->has_state || f->errors != 0 || f->has_code || s->ids.n_bytes > 0) {
        return selection_refuse(s, "unmatched",
                                "together with kinds, since and until only: "
                                "what was never sent has "
                                "no state, error, code or id");
    }
    return true;
}

// The state of a create that asks one dispatcher after the other.
struct creating {
    struct query query;
    unsigned shard, end;
    uint64_t n, n_gone;
    struct id id;
};

static void audit_replay(const struct api_request *rq, const char *what,
                         const struct creating *cr)
{
    const struct hook_scope scope = { .org = rq->match.params[PARAM_ORG],
                                      .project =
                                          rq->match.params[PARAM_PROJECT] };
    char id[ID_TEXT_BYTES + 1];

    id_format(&cr->id, id);
    audit_of(rq, what, &scope, cr->query.hook_id, "replay=%s filter=%s", id,
             log_quote(rq->http->body));
}

static void answer_created(struct api_request *rq, const struct creating *cr)
{
    char id[ID_TEXT_BYTES + 1];
    struct buf body;
    struct json_writer w = json_writer(&body);

    if (cr->n == 0 && cr->n_gone > 0) {
        http_fail(rq->http, 410, STR_EMPTY,
                  "%" PRIu64 " deliveries match, but their payloads are not "
                  "there any more: removed by retention, or erased",
                  cr->n_gone);
        return;
    }
    buf_init(&body, 0);
    json_open_object(&w, NULL);
    id_format(&cr->id, id);
    if (cr->n > 0 && !cr->query.is_dry) {
        audit_replay(rq, "replay started", cr);
        json_put_text(&w, "replayId", id);
    }
    if (cr->n == 0 && !cr->query.is_dry)
        json_put_null(&w, "replayId");
    json_put_u64(&w, "matched", cr->n);
    if (cr->n_gone > 0)
        json_put_u64(&w, "removed", cr->n_gone);
    if (cr->n == 0)
        json_put_text(&w, "message", "no delivery matches: nothing is sent");
    json_close(&w);
    request_answer(rq, cr->n > 0 && !cr->query.is_dry ? 202 : 200,
                   buf_str(&body));
    buf_clear(&body);
}

static void counted(struct api_request *rq, uint64_t hook_id,
                    const struct reply *reply)
{
    struct creating *cr = rq->data;

    if (reply->err == ERR_CONFLICT) {
        http_fail(rq->http, 409, STR_EMPTY,
                  "the webhook is inactive; make it active first");
        return;
    }
    if (reply->err == ERR_TOOBIG) {
        http_fail(rq->http, 413, STR_EMPTY,
                  "deliveries of too many webhooks match for one replay; ask "
                  "for fewer: by kinds, by since and until, or of one webhook "
                  "at a time");
        return;
    }
    if (reply->err != OK) {
        on_demand_respond(rq, hook_id, reply);
        return;
    }
    cr->n += reply->n;
    cr->n_gone += reply->n_gone;
    if (++cr->shard < cr->end) {
        query_shard(rq, cr->shard, cr->query, COUNT_TIMEOUT_MS, counted);
    } else {
        answer_created(rq, cr);
    }
}

static void create(struct api_request *rq, struct selection *s)
{
    struct creating *cr = arena_take(&rq->arena, sizeof(*cr));
    uint8_t random[16];
    struct hook_scope scope;
    uint64_t owner_no;
    unsigned n;
    struct buf text;

    if (!request_owner(rq, &scope, &owner_no))
        return;
    crypto_random(random, sizeof(random));
    s->replay.id = id_v4(random);
    s->replay.state = REPLAY_RUNNING;
    s->replay.ids = buf_str(&s->ids);
    buf_init(&text, 0);
    replay_encode(&s->replay, &text);
    memset(cr, 0, sizeof(*cr));
    cr->id = s->replay.id;
    cr->shard = request_shards(rq, owner_no, &n);
    cr->end = cr->shard + n;
    cr->query =
        (struct query){ .what = QUERY_REPLAY,
                        .is_dry = s->is_dry,
                        .is_admin = rq->grant.is_admin,
                        .dialect = scope.dialect,
                        .org = arena_copy(&rq->arena, scope.org),
                        .text = arena_copy(&rq->arena, buf_str(&text)) };
    if (rq->match.params[PARAM_HOOK].n_bytes > 0)
        cr->query.hook_id = owner_no;
    buf_clear(&text);
    rq->data = cr;
    query_shard(rq, cr->shard, cr->query, COUNT_TIMEOUT_MS, counted);
}

void replays_create(struct api_request *rq)
{
    struct selection s;
    struct json *json = NULL;

    if (rq->http->body.n_bytes > 0 && !request_json(rq, &json))
        return;
    selection_init(&s);
    if (selection_read(&s, SELECT_REPLAY,
                       json != NULL ? json_root(json) : NULL) &&
        check_selection(&s)) {
        create(rq, &s);
    } else {
        http_fail(rq->http, 400, STR_EMPTY, "%s", buf_cstr(&s.why));
    }
    selection_clear(&s);
    json_free(json);
}

// --- looking ---

struct sum {
    const struct api_request *rq;
    uint64_t owner_no;
    bool is_org;
    bool is_paused;       // at least one of its hooks rests
    struct replay replay; // summed up; a copy without what it points to
    size_t n;
};

static const char *state_name(enum replay_state state)
{
    switch (state) {
    case REPLAY_RUNNING:
        return "running";
    case REPLAY_DONE:
        return "done";
    case REPLAY_CANCELLED:
        break;
    }
    return "cancelled";
}

// Whether the replay waits because its hook rests.
static bool is_paused(struct api *api, const struct replay *r)
{
    return r->state == REPLAY_RUNNING && request_hook_rests(api, r->hook_id);
}

static void put_replay(const struct replay *r, bool is_paused,
                       struct json_writer *w)
{
    uint64_t settled = r->delivered + r->dead + r->cancelled;
    char id[ID_TEXT_BYTES + 1];

    id_format(&r->id, id);
    json_put_text(w, "replayId", id);
    json_put_text(w, "state", state_name(r->state));
    if (is_paused)
        json_put_bool(w, "paused", true);
    json_put_u64(w, "matched", r->matched);
    json_put_u64(w, "queued",
                 r->state == REPLAY_RUNNING && r->matched > settled
                     ? r->matched - settled
                     : 0);
    json_put_u64(w, "delivered", r->delivered);
    json_put_u64(w, "dead", r->dead);
    json_put_u64(w, "cancelled", r->cancelled);
    json_put_u64(w, "retrying", r->retrying);
    json_put_i64(w, "createdAt", r->created_at_ms);
    if (r->ended_at_ms > 0) {
        json_put_i64(w, "endedAt", r->ended_at_ms);
    } else {
        json_put_null(w, "endedAt");
    }
}

static void add(struct replay *sum, const struct replay *r)
{
    sum->matched += r->matched;
    sum->delivered += r->delivered;
    sum->dead += r->dead;
    sum->cancelled += r->cancelled;
    sum->retrying += r->retrying;
    if (r->state == REPLAY_RUNNING || sum->state == REPLAY_RUNNING) {
        sum->state = REPLAY_RUNNING;
        sum->ended_at_ms = 0;
        return;
    }
    if (r->state == REPLAY_CANCELLED)
        sum->state = REPLAY_CANCELLED;
    if (r->ended_at_ms > sum->ended_at_ms)
        sum->ended_at_ms = r->ended_at_ms;
}

static bool on_replay(void *data, const struct replay *r)
{
    struct sum *s = data;
    bool rests;

    if ((s->is_org ? r->org_id : r->hook_id) != s->owner_no)
        return true;
    rests = is_paused(s->rq->api, r);
    s->is_paused = s->is_paused || rests;
    if (s->n++ == 0) {
        s->replay = *r;
    } else {
        add(&s->replay, r);
    }
    return true;
}

static enum err each_replay(const struct api_request *rq, struct sum *s,
                            const struct id *id)
{
    unsigned n;
    unsigned shard = request_shards(rq, s->owner_no, &n);
    enum err err = OK;

    s->rq = rq;
    s->is_org = rq->match.params[PARAM_HOOK].n_bytes == 0;
    for (unsigned i = 0; i < n && err == OK; i++)
        err = replays_each(rq->api->shards[shard + i], id, on_replay, s);
    return err;
}

// --- the list ---

struct listing {
    struct api_request *rq;
    uint64_t owner_no;
    bool is_org;
    unsigned shard, end;
    struct replay_place last; // the last one read from the current shard
    bool has_last;
    size_t n_scanned; // for the current piece
    size_t n_shown;
    struct json_writer json; // writes into the current piece
    struct buf first;
};

static void show(struct listing *l, const struct replay *r)
{
    struct api *api = l->rq->api;

    l->n_shown++;
    json_open_object(&l->json, NULL);
    request_put_hook(api, r->hook_id, &l->json);
    json_open_object(&l->json, "replay");
    put_replay(r, is_paused(api, r), &l->json);
    json_close(&l->json);
    json_close(&l->json);
}

static bool is_piece(const struct listing *l)
{
    return l->n_shown == LIST_MAX || l->n_scanned >= SCAN_MAX ||
           l->json.out->n_bytes >= HTTP_PIECE_BYTES;
}

static bool on_listed(void *data, const struct replay *r)
{
    struct listing *l = data;

    if (is_piece(l))
        return false;
    l->n_scanned++;
    l->last = (struct replay_place){ r->id, r->hook_id };
    l->has_last = true;
    if ((l->is_org ? r->org_id : r->hook_id) == l->owner_no)
        show(l, r);
    return true;
}

// Appends replays to a piece. `is_whole` is set when none are left.
static enum err put_some(struct listing *l, struct buf *out, bool *is_whole)
{
    enum err err = OK;

    l->json.out = out;
    l->n_scanned = 0;
    while (err == OK && l->shard < l->end && !is_piece(l)) {
        err = replays_after(l->rq->api->shards[l->shard],
                            l->has_last ? &l->last : NULL, on_listed, l);
        if (is_piece(l))
            break;
        l->shard++;
        l->has_last = false;
    }
    *is_whole = l->shard == l->end || l->n_shown == LIST_MAX;
    if (err == OK && *is_whole)
        json_close(&l->json);
    return err;
}

static enum http_more next(void *data, struct buf *out)
{
    struct api_request *rq = data;
    bool is_whole;

    if (put_some(rq->data, out, &is_whole) != OK)
        return HTTP_FAILED;
    return is_whole ? HTTP_LAST : HTTP_MORE;
}

static void on_free(struct api_request *rq)
{
    struct listing *l = rq->data;

    buf_clear(&l->first);
}

void replays_list(struct api_request *rq)
{
    struct listing *l = arena_take(&rq->arena, sizeof(*l));
    struct http_response response = { .status = 200 };
    struct hook_scope scope;
    bool is_whole;
    unsigned n;
    enum err err;

    memset(l, 0, sizeof(*l));
    l->rq = rq;
    if (!request_owner(rq, &scope, &l->owner_no))
        return;
    l->is_org = rq->match.params[PARAM_HOOK].n_bytes == 0;
    l->shard = request_shards(rq, l->owner_no, &n);
    l->end = l->shard + n;
    buf_init(&l->first, 0);
    rq->data = l;
    rq->on_free = on_free;
    l->json = json_writer(&l->first);
    json_open_array(&l->json, NULL);
    err = put_some(l, &l->first, &is_whole);
    if (err != OK) {
        request_fail_store(rq, err);
        return;
    }
    response.body = buf_str(&l->first);
    if (is_whole) {
        http_respond(rq->http, &response);
    } else {
        request_answer_pieces(rq, &response, next);
        buf_clear(&l->first);
    }
}

// --- one replay ---

// Finds the replay of the path. False: the request has been answered.
static bool find(struct api_request *rq, struct sum *s, struct id *id)
{
    struct str text = rq->match.params[PARAM_REPLAY];
    struct hook_scope scope;
    enum err err = OK;

    if (!request_owner(rq, &scope, &s->owner_no))
        return false;
    if (id_parse(text, id) == OK)
        err = each_replay(rq, s, id);
    if (err != OK) {
        request_fail_store(rq, err);
        return false;
    }
    if (s->n == 0)
        request_fail_missing(rq, PARAM_REPLAY);
    return s->n > 0;
}

void replays_get(struct api_request *rq)
{
    struct sum s = { .n = 0 };
    struct buf body;
    struct json_writer w = json_writer(&body);
    struct id id;

    if (!find(rq, &s, &id))
        return;
    buf_init(&body, 0);
    json_open_object(&w, NULL);
    put_replay(&s.replay, s.is_paused, &w);
    json_close(&w);
    request_answer(rq, 200, buf_str(&body));
    buf_clear(&body);
}

static void cancelled(struct api_request *rq, uint64_t hook_id,
                      const struct reply *reply)
{
    struct creating *cr = rq->data;

    if (reply->err != OK) {
        on_demand_respond(rq, hook_id, reply);
    } else if (++cr->shard < cr->end) {
        query_shard(rq, cr->shard, cr->query, COUNT_TIMEOUT_MS, cancelled);
    } else {
        audit_replay(rq, "replay cancelled", cr);
        replays_get(rq);
    }
}

void replays_cancel(struct api_request *rq)
{
    struct creating *cr = arena_take(&rq->arena, sizeof(*cr));
    struct sum s = { .n = 0 };
    unsigned n;

    memset(cr, 0, sizeof(*cr));
    if (!find(rq, &s, &cr->id))
        return;
    cr->shard = request_shards(rq, s.owner_no, &n);
    cr->end = cr->shard + n;
    cr->query =
        (struct query){ .what = QUERY_CANCEL_REPLAY, .event_id = cr->id };
    if (!s.is_org)
        cr->query.hook_id = s.owner_no;
    rq->data = cr;
    query_shard(rq, cr->shard, cr->query, COUNT_TIMEOUT_MS, cancelled);
}
