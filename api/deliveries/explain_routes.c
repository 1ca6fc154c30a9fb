// SPDX-License-Identifier: MIT
// explain_routes.c — handlers of the routes that say which hooks want an event.
//
// A page of the organization's hooks is listed here; their dispatchers say for each
// hook whether it matches, and if not, why.

#include "api/deliveries/handlers.h"

#include <string.h>

#include "api/core/api_request.h"
#include "api/json/delivery_json.h"
#include "api/json/pagination.h"
#include "common/base/clock.h"
#include "common/base/codec.h"

#define LIMIT_DEFAULT    100
#define ATTEMPTS_MAX     1000
#define HOOKS_AT_ONCE    200 // hooks listed in one slice
#define ANSWER_MAX_BYTES ((size_t)16 << 20)

struct explaining {
    struct api_request *rq;
    struct query query;
    struct hook_scope scope;
    uint64_t org_id;
    size_t limit;
    struct str after;
    struct str only; // explains only hooks of this name; empty: all
    struct buf nos[QUEUE_SHARDS_MAX]; // 8 bytes each, of the page
    size_t n_hooks;
    bool has_more;
    struct buf last; // place of the last hook that was listed; empty: none
    size_t n_listed; // hooks, in this slice
    bool is_listed;  // the page is complete
    unsigned shard;  // the shard that is asked
    struct buf body; // of the answer
    struct json_writer json;
    size_t n_before_hooks; // bytes of the body before the first hook
};

static void explaining_clear(struct api_request *rq)
{
    struct explaining *x = rq->data;

    for (size_t i = 0; i < QUEUE_SHARDS_MAX; i++)
        buf_clear(&x->nos[i]);
    buf_clear(&x->last);
    buf_clear(&x->body);
}

// --- the page ---

// Notes this hook as the place after which the list continues.
static void put_scope(struct explaining *x, const struct hook *hook)
{
    buf_reset(&x->last);
    if (x->scope.dialect == DIALECT_AKINON) {
        buf_put_str(&x->last, hook->name);
    } else {
        hook_cursor_put(hook, &x->last);
    }
}

static bool on_hook(void *data, const struct hook *hook)
{
    struct explaining *x = data;
    bool is_wanted = x->only.n_bytes == 0 || str_eq(x->only, hook->name);
    uint8_t no[8];

    if (is_wanted && x->n_hooks == x->limit) {
        x->has_more = true;
        return false;
    }
    if (x->n_listed++ == HOOKS_AT_ONCE) {
        x->is_listed = false;
        return false;
    }
    put_scope(x, hook);
    if (!is_wanted)
        return true;
    x->n_hooks++;
    put_be64(no, hook->no);
    buf_put(&x->nos[queue_shard_of(hook->no, x->rq->api->n_shards)], no,
            sizeof(no));
    return true;
}

// Lists the next HOOKS_AT_ONCE hooks of the page.
static enum err list(struct explaining *x)
{
    struct hook_store *hooks = x->rq->api->hooks;
    struct str after = x->last.n_bytes > 0
                           ? arena_copy(&x->rq->arena, buf_str(&x->last))
                           : x->after;

    x->n_listed = 0;
    x->is_listed = true;
    // Hooks of another project get nothing of this one.
    if (x->scope.dialect == DIALECT_AKINON)
        return hook_list(hooks, &x->scope, after, on_hook, x);
    return hook_list_org(hooks, x->scope.dialect, x->scope.org, after, on_hook,
                         x);
}

static bool read_page(struct explaining *x, const uint8_t key[SHA256_BYTES])
{
    struct http_request *r = x->rq->http;
    struct page_query page = { .limit = LIMIT_DEFAULT };
    struct buf text, why;
    bool is_good;

    buf_init(&text, 0);
    buf_init(&why, 0);
    buf_init(&page.place, 0);
    is_good = page_query_read(r, key, x->scope.org, &page, &why) == OK;
    if (!is_good) {
        http_fail(r, 400, STR_EMPTY, "%s", buf_cstr(&why));
    } else if (http_query(r, "hook", &text) == OK) {
        x->only = arena_copy(&x->rq->arena, buf_str(&text));
    }
    x->limit = page.limit;
    x->after = arena_copy(&x->rq->arena, buf_str(&page.place));
    buf_clear(&page.place);
    buf_clear(&why);
    buf_clear(&text);
    return is_good;
}

// --- the answer ---

static void respond(struct explaining *x)
{
    struct api_request *rq = x->rq;
    struct http_response response = { .status = 200 };
    uint8_t key[SHA256_BYTES];
    struct buf headers, token;

    buf_init(&headers, 0);
    buf_init(&token, 0);
    if (x->has_more) {
        auth_key(rq->api->auth, "explain", key);
        page_token_put(key, x->scope.org, buf_str(&x->last), &token);
        page_put_headers(rq->http, buf_str(&token), &headers);
    }
    json_close(&x->json);
    json_close(&x->json);
    response.headers = buf_str(&headers);
    response.body = buf_str(&x->body);
    if (x->body.n_bytes > HTTP_SMALL_BYTES &&
        !http_has_room(rq->http, x->body.n_bytes)) {
        request_fail_room(rq);
    } else {
        http_respond(rq->http, &response);
    }
    buf_clear(&token);
    buf_clear(&headers);
}

static void explained(struct api_request *rq, uint64_t hook_id,
                      const struct reply *reply);

// Asks the next shard that has hooks of the page; after the last, answers the request.
static void go_on(struct explaining *x)
{
    struct api_request *rq = x->rq;
    size_t n_hook_bytes = x->body.n_bytes - x->n_before_hooks;

    // Even if the page has no hooks, one dispatcher is asked, so that the event is
    // checked.
    while (x->shard < rq->api->n_shards && x->nos[x->shard].n_bytes == 0 &&
           (x->n_hooks > 0 || x->shard > 0 || x->query.event.n_bytes == 0))
        x->shard++;
    if (x->shard == rq->api->n_shards) {
        respond(x);
        return;
    }
    x->query.text = buf_str(&x->nos[x->shard]);
    // The requests from all dispatchers together must fit into one answer.
    x->query.max = n_hook_bytes < EXPLAIN_REQUESTS_MAX_BYTES
                       ? EXPLAIN_REQUESTS_MAX_BYTES - n_hook_bytes
                       : 0;
    query_shard(rq, x->shard, x->query, rq->api->config->request_timeout_ms,
                explained);
}

static void explained(struct api_request *rq, uint64_t hook_id,
                      const struct reply *reply)
{
    struct explaining *x = rq->data;

    if (reply->err == OK) {
        json_put_contents(&x->json, reply->text);
        x->shard++;
        go_on(x);
        return;
    }
    if (reply->err == ERR_BUSY) {
        http_fail(rq->http, 429, STR("Retry-After: 1\r\n"),
                  "too many such requests are in progress; try again");
    } else if (reply->err == ERR_INVALID || reply->err == ERR_TOOBIG) {
        http_fail(rq->http, reply->err == ERR_INVALID ? 400 : 413, STR_EMPTY,
                  "%.*s", STR_ARG(reply->text));
    } else {
        on_demand_respond(rq, hook_id, reply);
    }
}

// NULL: the request has been answered.
static struct explaining *begin(struct api_request *rq)
{
    struct explaining *x = arena_take(&rq->arena, sizeof(*x));
    uint8_t key[SHA256_BYTES];

    memset(x, 0, sizeof(*x));
    x->rq = rq;
    buf_init(&x->body, 0);
    x->json = json_writer(&x->body);
    json_open_object(&x->json, NULL);
    rq->data = x;
    rq->on_free = explaining_clear;
    if (!request_scope(rq, &x->scope))
        return NULL;
    auth_key(rq->api->auth, "explain", key);
    if (!read_page(x, key))
        return NULL;
    x->query =
        (struct query){ .what = QUERY_EXPLAIN,
                        .dialect = x->scope.dialect,
                        .org = arena_copy(&rq->arena, x->scope.org),
                        .project = arena_copy(&rq->arena, x->scope.project) };
    return x;
}

static bool list_some(struct api_request *rq, int64_t until_us)
{
    struct explaining *x = rq->data;
    enum err err;

    do {
        err = list(x);
    } while (err == OK && !x->is_listed && clock_mono_us() < until_us);
    if (err == OK && !x->is_listed)
        return false;
    request_uncount(rq);
    if (err == OK) {
        json_open_array(&x->json, "hooks");
        x->n_before_hooks = x->body.n_bytes;
        go_on(x);
    } else {
        request_fail_store(rq, err);
    }
    return true;
}

void explain_posted(struct api_request *rq)
{
    struct explaining *x;

    if (rq->http->body.n_bytes == 0) {
        http_fail(rq->http, 400, STR_EMPTY,
                  "the body is empty; it must be an event as it is posted");
        return;
    }
    x = begin(rq);
    if (x == NULL)
        return;
    x->query.event = rq->http->body;
    if (request_count(rq))
        request_work(rq, list_some);
}

// --- explaining an event that was accepted ---

static bool put_event(void *data, const struct event *event)
{
    struct explaining *x = data;
    char id[ID_TEXT_BYTES + 1];

    // On the path of an organization of Akinon's, the event says which project's hooks
    // may want it.
    if (x->scope.dialect == DIALECT_AKINON && x->scope.project.n_bytes == 0) {
        x->scope.level = LEVEL_PROJECT;
        x->scope.project = arena_copy(&x->rq->arena, event->project);
        x->query.project = x->scope.project;
    }
    id_format(&event->id, id);
    json_put_text(&x->json, "id", id);
    json_put_i64(&x->json, "acceptedAt", event->accepted_at_us / 1000);
    json_put_given(&x->json, "kind", event->kind);
    json_put_given(&x->json, "projectName", event->project);
    json_put_given(&x->json, "stackName", event->stack);
    json_put_given(&x->json, "envName", event->env);
    json_put_str(&x->json, "payload", event->payload);
    if (event->is_locked)
        json_put_bool(&x->json, "payloadLocked", true);
    if (event_is_erased(event))
        json_put_bool(&x->json, "payloadErased", true);
    return false;
}

static bool put_attempt(void *data, uint64_t no, const struct attempt *a)
{
    struct explaining *x = data;

    (void)no;
    if (a->org_id != x->org_id)
        return true;
    x->n_hooks++;
    json_open_object(&x->json, NULL);
    request_put_hook(x->rq->api, a->hook_id, &x->json);
    delivery_print_brief(a, &x->json);
    json_close(&x->json);
    return x->body.n_bytes < ANSWER_MAX_BYTES;
}

static enum err put_attempts(struct explaining *x,
                             const struct position *position)
{
    const struct api *api = x->rq->api;
    enum err err = OK;

    json_open_array(&x->json, "deliveries");
    for (unsigned k = 0;
         k < api->n_shards && err == OK && x->n_hooks < ATTEMPTS_MAX; k++) {
        err = history_of_event(api->shards[k], position,
                               ATTEMPTS_MAX - x->n_hooks, put_attempt, x);
    }
    json_close(&x->json);
    return err;
}

// Answers for an event that is not in the log, by whether it has left attempts.
static void answer_unknown(struct explaining *x)
{
    struct api_request *rq = x->rq;
    struct position position = position_start;

    put_be64(position.bytes, id_serial(&x->query.event_id));
    if (position_cmp(position, position_start) != 0 &&
        put_attempts(x, &position) == OK && x->n_hooks > 0) {
        http_fail(rq->http, 410, STR_EMPTY,
                  "the event was removed by retention; the attempts of its "
                  "deliveries are in the history of their webhooks");
    } else {
        request_fail_missing(rq, PARAM_EVENT);
    }
}

void explain_stored(struct api_request *rq)
{
    struct explaining *x = begin(rq);
    struct position position;
    enum err err = ERR_NOTFOUND;

    if (x == NULL || !request_org_no(rq, &x->scope, &x->org_id))
        return;
    x->query.is_dry =
        true; // no requests: they are signed, and readers may not sign
    if (id_parse(rq->match.params[PARAM_EVENT], &x->query.event_id) == OK) {
        err = event_view_find(rq->api->events, x->scope.dialect, x->scope.org,
                              &x->query.event_id, &position);
    }
    if (err == OK)
        err = event_view_get(rq->api->events, position, put_event, x);
    if (err == ERR_NOTFOUND) {
        answer_unknown(x);
        return;
    }
    if (err == OK)
        err = put_attempts(x, &position);
    x->n_hooks = 0;
    if (err != OK) {
        request_fail_store(rq, err);
    } else if (request_count(rq)) {
        request_work(rq, list_some);
    }
}
