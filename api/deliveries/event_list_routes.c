// SPDX-License-Identifier: MIT
// event_list_routes.c — the handler of the routes that list accepted events.

#include <string.h>

#include "api/core/api_request.h"
#include "api/deliveries/event_list.h"
#include "api/deliveries/handlers.h"
#include "api/json/delivery_filter.h"
#include "api/json/pagination.h"
#include "common/base/codec.h"

#define PAGE_BYTES ((size_t)512 << 10)

struct listing {
    struct api_request *rq;
    struct delivery_query query;
    struct event_list list;
    size_t n_rows;
    struct buf body;
    struct json_writer json;
    struct buf place; // of the list: what its tokens are valid for
};

static void on_free(struct api_request *rq)
{
    struct listing *l = rq->data;

    buf_clear(&l->body);
    buf_clear(&l->place);
}

// --- the answer ---

static bool put_row(void *data, const struct event_row *row)
{
    struct listing *l = data;
    const struct event *event = row->event;
    char id[ID_TEXT_BYTES + 1];

    if (l->n_rows == l->query.limit || l->body.n_bytes >= PAGE_BYTES)
        return false;
    l->n_rows++;
    id_format(&event->id, id);
    json_open_object(&l->json, NULL);
    json_put_text(&l->json, "id", id);
    json_put_str(&l->json, "kind", event->kind);
    json_put_i64(&l->json, "acceptedAt", event->accepted_at_us / 1000);
    json_put_given(&l->json, "projectName", event->project);
    json_put_given(&l->json, "stackName", event->stack);
    json_put_given(&l->json, "envName", event->env);
    json_put_u64(&l->json, "payloadBytes", event->payload.n_bytes);
    if (event_is_erased(event))
        json_put_bool(&l->json, "payloadErased", true);
    if (row->is_known) {
        json_put_u64(&l->json, "matched", row->n_matched);
    } else {
        json_put_null(&l->json, "matched");
    }
    json_close(&l->json);
    return true;
}

static void put_token(const struct listing *l, struct buf *headers)
{
    uint8_t key[SHA256_BYTES];
    uint8_t before[8];
    struct buf token;

    buf_init(&token, 0);
    auth_key(l->rq->api->auth, "events", key);
    put_be64(before, l->list.before);
    page_token_put(key, buf_str(&l->place),
                   (struct str){ (const char *)before, sizeof(before) },
                   &token);
    page_put_headers(l->rq->http, buf_str(&token), headers);
    buf_clear(&token);
}

static void respond(struct listing *l)
{
    struct http_response response = { .status = 200 };
    struct buf headers;

    buf_init(&headers, 0);
    json_close(&l->json);
    if (l->list.has_more)
        put_token(l, &headers);
    response.headers = buf_str(&headers);
    response.body = buf_str(&l->body);
    if (l->body.n_bytes > HTTP_SMALL_BYTES &&
        !http_has_room(l->rq->http, l->body.n_bytes)) {
        request_fail_room(l->rq);
    } else {
        http_respond(l->rq->http, &response);
    }
    buf_clear(&headers);
}

static bool work(struct api_request *rq, int64_t until_us)
{
    struct listing *l = rq->data;
    enum err err = event_list_work(&l->list, until_us);

    if (err == OK) {
        respond(l);
    } else if (err != ERR_AGAIN) {
        request_fail_store(rq, err);
    }
    return err != ERR_AGAIN;
}

// --- the query ---

static bool read_filter(struct listing *l)
{
    struct http_request *r = l->rq->http;
    struct buf why;
    bool is_good;

    buf_init(&why, 4096);
    is_good = delivery_query_read(r, &l->rq->arena, &l->query, &why) == OK;
    if (!is_good)
        http_fail(r, 400, STR_EMPTY, "%s", buf_cstr(&why));
    buf_clear(&why);
    return is_good;
}

static bool read_unmatched(struct listing *l)
{
    struct buf text;
    enum err err;

    buf_init(&text, 0);
    err = http_query(l->rq->http, "unmatched", &text);
    l->list.only_unmatched = err == OK && str_is(buf_str(&text), "true");
    if (err == OK && !l->list.only_unmatched &&
        !str_is(buf_str(&text), "false"))
        err = ERR_INVALID;
    buf_clear(&text);
    if (err == ERR_INVALID) {
        http_fail(l->rq->http, 400, STR_EMPTY,
                  "unmatched must be true or false");
    }
    return err != ERR_INVALID;
}

static void put_name(struct buf *out, struct str name)
{
    buf_put_str(out, name);
    buf_putc(out, '\0');
}

// Sets where the page begins. A token is valid for the events of one place.
static bool read_token(struct listing *l)
{
    const struct hook_scope *scope = &l->list.scope;
    uint8_t key[SHA256_BYTES];
    struct buf before;
    bool is_good;

    buf_putc(&l->place, (char)scope->dialect);
    buf_putc(&l->place, (char)scope->level);
    put_name(&l->place, scope->org);
    put_name(&l->place, scope->project);
    put_name(&l->place, scope->target);
    l->list.before = UINT64_MAX;
    if (l->query.cursor.n_bytes == 0)
        return true;
    buf_init(&before, 0);
    auth_key(l->rq->api->auth, "events", key);
    is_good = page_token_read(key, buf_str(&l->place), l->query.cursor,
                              &before) == OK &&
              before.n_bytes == 8;
    if (is_good) {
        l->list.before = get_be64((const uint8_t *)before.at);
    } else {
        http_fail(l->rq->http, 400, STR_EMPTY,
                  "continuationToken is not one that this server gave out for "
                  "this list");
    }
    buf_clear(&before);
    return is_good;
}

void events_list(struct api_request *rq)
{
    struct listing *l = arena_take(&rq->arena, sizeof(*l));

    memset(l, 0, sizeof(*l));
    buf_init(&l->body, 0);
    buf_init(&l->place, 0);
    l->rq = rq;
    l->json = json_writer(&l->body);
    rq->data = l;
    rq->on_free = on_free;
    if (!request_scope(rq, &l->list.scope))
        return;
    if (rq->match.params[PARAM_PROJECT].n_bytes == 0)
        l->list.scope.level = LEVEL_ORGANIZATION; // all of Akinon's projects
    if (!read_filter(l) || !read_unmatched(l) || !read_token(l))
        return;
    l->list.api = rq->api;
    l->list.filter = &l->query.filter;
    l->list.visit = put_row;
    l->list.data = l;
    json_open_array(&l->json, NULL);
    if (request_count(rq))
        request_work(rq, work);
}
