// SPDX-License-Identifier: MIT
// delivery_routes.c — handlers of the routes that show the history.

#include <string.h>

#include "api/deliveries/delivery_page.h"
#include "api/deliveries/handlers.h"
#include "api/json/pulumi_hook_json.h"

// --- one record ---

#define COST_SHOWN 1000 // limit of a search among one event's attempts

struct shown {
    struct page page;
    const struct reply *reply;
    bool is_found;
};

static bool show_row(void *data, uint64_t no, const struct attempt *attempt)
{
    struct shown *s = data;

    (void)no;
    if (attempt->started_at_us != s->reply->started_at_us ||
        !id_eq(&attempt->event_id, &s->reply->event_id))
        return true;
    s->is_found = true;
    page_print(&s->page, attempt);
    return false;
}

void deliveries_show(struct api_request *rq, uint64_t hook_id,
                     const struct reply *reply)
{
    struct shown *s = arena_take(&rq->arena, sizeof(*s));
    unsigned shard = queue_shard_of(hook_id, rq->api->n_shards);
    struct position event;
    struct history_query query = { .owner_no = hook_id,
                                   .event = &event,
                                   .max_rows = COST_SHOWN };
    enum err err;

    memset(s, 0, sizeof(*s));
    s->page.rq = rq;
    s->reply = reply;
    memcpy(event.bytes, reply->position, sizeof(event.bytes));
    page_init(&s->page);
    err = history_scan(rq->api->shards[shard], &query, show_row, s);
    if (err == OK && !s->is_found)
        err = ERR_CORRUPT;
    if (err == OK) {
        request_answer(rq, 200, buf_str(&s->page.body));
    } else {
        request_fail_store(rq, err);
    }
    page_clear(&s->page);
}

// --- lists ---

// ERR_NOTFOUND: there is no such hook.
static enum err find_hook(struct api_request *rq,
                          const struct hook_scope *scope, uint64_t *hook_id)
{
    struct str name = rq->match.params[PARAM_HOOK];

    if (!hook_name_is_valid(name))
        return ERR_NOTFOUND;
    return hook_get(rq->api->hooks, scope, name, hook_visit_no, hook_id);
}

static bool read_query(struct api_request *rq, struct delivery_query *out)
{
    struct buf why;
    bool is_good;

    buf_init(&why, 4096);
    is_good = delivery_query_read(rq->http, &rq->arena, out, &why) == OK;
    if (!is_good)
        http_fail(rq->http, 400, STR_EMPTY, "%s", buf_cstr(&why));
    buf_clear(&why);
    return is_good;
}

// Sets where the page begins, by the query's token. False: the token is invalid; the
// request has been answered.
static bool set_cursors(struct page *p, const uint8_t key[SHA256_BYTES],
                        unsigned first_shard, unsigned n)
{
    uint64_t row_nos[QUEUE_SHARDS_MAX] = { 0 };
    enum err err = OK;

    if (p->query.cursor.n_bytes > 0 &&
        cursor_read(key, p->query.cursor, p->owner_no, row_nos, n) != OK) {
        http_fail(p->rq->http, 400, STR_EMPTY,
                  "continuationToken is not one that this server gave out for "
                  "this list");
        return false;
    }
    p->n_cursors = n;
    // Notes where the history ends now: rows that come later are on no page of this
    // list.
    for (unsigned i = 0; i < n && p->query.cursor.n_bytes == 0 && err == OK;
         i++)
        err = history_end(p->rq->api->shards[first_shard + i], &row_nos[i]);
    if (err != OK) {
        request_fail_store(p->rq, err);
        return false;
    }
    for (unsigned i = 0; i < n; i++) {
        p->cursors[i] = (struct shard_cursor){ .shard = first_shard + i,
                                               .from_no = row_nos[i],
                                               .head_at_us = INT64_MIN };
    }
    return true;
}

void deliveries_list(struct api_request *rq)
{
    struct page *page = page_new(rq);
    uint8_t key[SHA256_BYTES];
    struct hook_scope scope;
    enum err err;

    if (!request_scope(rq, &scope) || !read_query(rq, &page->query))
        return;
    err = find_hook(rq, &scope, &page->owner_no);
    if (err == ERR_NOTFOUND && rq->match.route->is_akinon) {
        request_fail_missing(rq, PARAM_HOOK);
        return;
    }
    if (err == ERR_NOTFOUND) { // as Pulumi Cloud does
        request_answer(rq, 200, STR("[]"));
        return;
    }
    if (err != OK) {
        request_fail_store(rq, err);
        return;
    }
    auth_key(rq->api->auth, "deliveries", key);
    if (!set_cursors(page, key,
                     queue_shard_of(page->owner_no, rq->api->n_shards), 1))
        return;
    err = page_find_event(page, &scope);
    if (err == OK) {
        page_answer(page, key);
    } else {
        request_fail_store(rq, err);
    }
}

void deliveries_list_org(struct api_request *rq)
{
    struct page *page = page_new(rq);
    uint8_t key[SHA256_BYTES];
    struct hook_scope scope;

    page->names_hooks = true;
    if (!request_scope(rq, &scope) || !read_query(rq, &page->query))
        return;
    if (page->query.has_id) {
        http_fail(rq->http, 400, STR_EMPTY,
                  "id is not a parameter of this path; an event is at "
                  "%s/{org}/events/{id}",
                  scope.dialect == DIALECT_AKINON ? "/organizations"
                                                  : "/api/orgs");
        return;
    }
    if (!request_org_no(rq, &scope, &page->owner_no))
        return;
    auth_key(rq->api->auth, "deliveries", key);
    if (set_cursors(page, key, 0, rq->api->n_shards))
        page_answer(page, key);
}
