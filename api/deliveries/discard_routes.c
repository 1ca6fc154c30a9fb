// SPDX-License-Identifier: MIT
// discard_routes.c — the handler of the routes that clear dead letters.
//
// Happy path: the body chooses dead letters; the dispatchers make them cancelled, one
// dispatcher after the other, each asked again until it has finished. After some
// seconds the answer says how many were discarded, and gives a token for the next call.
//
// If it fails: dead letters that were discarded stay discarded. When the client
// disconnects, no further query is made.

#include "api/deliveries/handlers.h"

#include <inttypes.h>
#include <string.h>

#include "api/core/api_request.h"
#include "api/core/audit.h"
#include "api/deliveries/selection.h"
#include "api/json/delivery_filter.h"
#include "common/base/clock.h"
#include "common/base/codec.h"
#include "common/log/log.h"

#define ANSWER_AFTER_US INT64_C(10000000)
#define TIMEOUT_MS      60000 // for a query; a dispatcher works a second on one
#define PLACE_NUMBERS   4     // in a token: shards, shard, hook, position

struct discarding {
    struct list_node node; // in api.discards
    uint64_t org_id;
    uint64_t owner_no;
    struct query query; // its texts lie in the arena of the request
    uint8_t after[DISCARD_AFTER_BYTES];
    unsigned shard, end;
    uint64_t n_matched, n_in_flight;
    uint64_t limit; // 0: none
    int64_t until_us;
};

// --- one discard at a time for each organization ---

static void forget(struct api_request *rq)
{
    struct discarding *d = rq->data;

    list_remove(&rq->api->discards, &d->node);
}

static bool is_running(const struct api *api, uint64_t org_id)
{
    for (const struct discarding *d =
             LIST_FIRST(&api->discards, struct discarding, node);
         d != NULL; d = LIST_NEXT(d, struct discarding, node)) {
        if (d->org_id == org_id && org_id != 0)
            return true;
    }
    return false;
}

// --- the place to go on from ---

static void put_token(const struct api_request *rq, const struct discarding *d,
                      struct buf *out)
{
    const uint64_t place[PLACE_NUMBERS] = { rq->api->n_shards, d->shard,
                                            get_be64(d->after),
                                            get_be64(d->after + 8) };
    uint8_t key[SHA256_BYTES];

    auth_key(rq->api->auth, "discard", key);
    cursor_put(key, d->owner_no, place, PLACE_NUMBERS, out);
}

// Reads a token. It is valid only for the number of dispatchers that it was made for:
// with another number the dead letters lie elsewhere.
static bool read_token(const struct api_request *rq, struct str token,
                       struct discarding *d)
{
    uint64_t place[PLACE_NUMBERS];
    uint8_t key[SHA256_BYTES];

    auth_key(rq->api->auth, "discard", key);
    if (cursor_read(key, token, d->owner_no, place, PLACE_NUMBERS) != OK ||
        place[0] != rq->api->n_shards || place[1] < d->shard ||
        place[1] >= d->end)
        return false;
    d->shard = (unsigned)place[1];
    put_be64(d->after, place[2]);
    put_be64(d->after + 8, place[3]);
    d->query.after = (struct str){ (const char *)d->after, sizeof(d->after) };
    return true;
}

// --- asking ---

static void respond(struct api_request *rq, const struct discarding *d)
{
    struct buf body;
    struct json_writer w = json_writer(&body);

    buf_init(&body, 0);
    json_open_object(&w, NULL);
    json_put_u64(&w, "matched", d->n_matched);
    json_put_u64(&w, "discarded",
                 d->query.is_dry ? 0 : d->n_matched - d->n_in_flight);
    json_put_u64(&w, "inFlight", d->n_in_flight);
    if (d->shard < d->end) {
        put_token(rq, d, json_open_text(&w, "continuationToken"));
        json_close_text(&w);
    } else {
        json_put_null(&w, "continuationToken");
    }
    json_close(&w);
    request_answer(rq, 200, buf_str(&body));
    buf_clear(&body);
}

static void fail(struct api_request *rq, uint64_t hook_id,
                 const struct reply *a)
{
    const struct discarding *d = rq->data;
    uint64_t n = d->query.is_dry ? 0 : d->n_matched - d->n_in_flight;

    if (a->err == ERR_FULL) {
        http_fail(rq->http, 503, STR("Retry-After: 5\r\n"),
                  "there is no room on the disk to settle them; %" PRIu64
                  " or more were discarded; try again later",
                  n);
    } else if (a->err == ERR_AGAIN) {
        http_fail(rq->http, 503, STR("Retry-After: 1\r\n"),
                  "a dispatcher is not there or did not answer; %" PRIu64
                  " or more were discarded; try again",
                  n);
    } else {
        on_demand_respond(rq, hook_id, a);
    }
}

static void on_reply(struct api_request *rq, uint64_t hook_id,
                     const struct reply *a)
{
    struct discarding *d = rq->data;

    if (a->err != OK) {
        fail(rq, hook_id, a);
        return;
    }
    d->n_matched += a->n;
    d->n_in_flight += a->n_gone;
    d->query.after = STR_EMPTY;
    if (a->text.n_bytes == sizeof(d->after)) {
        memcpy(d->after, a->text.at, sizeof(d->after));
        d->query.after =
            (struct str){ (const char *)d->after, sizeof(d->after) };
    } else {
        memset(d->after, 0, sizeof(d->after));
        d->shard++;
    }
    if (d->shard == d->end || clock_mono_us() >= d->until_us ||
        (d->limit > 0 && d->n_matched >= d->limit)) {
        respond(rq, d);
    } else {
        if (d->limit > 0)
            d->query.max = d->limit - d->n_matched;
        query_shard(rq, d->shard, d->query, TIMEOUT_MS, on_reply);
    }
}

static struct str who(struct api_request *rq)
{
    struct buf text;
    struct str copy;

    buf_init(&text, 0);
    audit_put_who(rq, &text);
    copy = arena_copy(&rq->arena, buf_str(&text));
    buf_clear(&text);
    return copy;
}

// False: the request has been answered.
static bool begin(struct api_request *rq, const struct selection *s,
                  struct discarding *d)
{
    struct hook_scope scope;
    struct buf text;
    unsigned n;

    if (!request_owner(rq, &scope, &d->owner_no) ||
        !request_org_no(rq, &scope, &d->org_id))
        return false;
    d->shard = request_shards(rq, d->owner_no, &n);
    d->end = d->shard + n;
    d->until_us = clock_mono_us() + ANSWER_AFTER_US;
    d->limit = s->limit;
    buf_init(&text, 0);
    replay_encode(&s->replay, &text);
    d->query = (struct query){ .what = QUERY_DISCARD,
                               .is_dry = s->is_dry,
                               .max = s->limit,
                               .dialect = scope.dialect,
                               .org = arena_copy(&rq->arena, scope.org),
                               .text = arena_copy(&rq->arena, buf_str(&text)),
                               .by = who(rq) };
    buf_clear(&text);
    if (rq->match.params[PARAM_HOOK].n_bytes > 0) {
        d->query.hook_id = d->owner_no;
    } else {
        d->query.project = arena_copy(&rq->arena, scope.project);
    }
    if (s->continued.n_bytes > 0 && !read_token(rq, s->continued, d)) {
        http_fail(rq->http, 400, STR_EMPTY,
                  "continuationToken is not one that this server gave out for "
                  "these dead letters; begin again without one");
        return false;
    }
    if (is_running(rq->api, d->org_id)) {
        http_fail(rq->http, 409, STR("Retry-After: 1\r\n"),
                  "dead letters of this organization are just being discarded; "
                  "try again when that is done");
        return false;
    }
    return true;
}

// Writes the log line about the beginning. The dispatchers log how many were discarded.
static void audit_begun(struct api_request *rq, const struct selection *s,
                        const struct discarding *d)
{
    struct hook_scope scope = { .org = d->query.org,
                                .project = d->query.project };

    if (!s->is_dry) {
        audit_of(rq, "dead letters are discarded", &scope, d->query.hook_id,
                 "filter=%s", log_quote(rq->http->body));
    }
}

void discards_create(struct api_request *rq)
{
    struct discarding *d = arena_take(&rq->arena, sizeof(*d));
    struct selection s;
    struct json *json = NULL;

    memset(d, 0, sizeof(*d));
    if (rq->http->body.n_bytes > 0 && !request_json(rq, &json))
        return;
    selection_init(&s);
    s.replay.state = REPLAY_RUNNING; // a record must have a state
    if (!selection_read(&s, SELECT_DISCARD,
                        json != NULL ? json_root(json) : NULL)) {
        http_fail(rq->http, 400, STR_EMPTY, "%s", buf_cstr(&s.why));
    } else if (begin(rq, &s, d)) {
        audit_begun(rq, &s, d);
        list_push(&rq->api->discards, &d->node);
        rq->data = d;
        rq->on_free = forget;
        query_shard(rq, d->shard, d->query, TIMEOUT_MS, on_reply);
    }
    selection_clear(&s);
    json_free(json);
}
