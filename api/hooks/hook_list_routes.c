// SPDX-License-Identifier: MIT
// hook_list_routes.c — handler of the routes that list the hooks of a scope.
//
// Without a limit the list is whole: clients of Pulumi read one bare array and
// know of no pages. A list that is longer than a piece is made while its client
// reads, and nothing is held open between pieces. So each hook that exists from
// the first piece to the last is in the list once, as it is when its piece is made; a
// hook that is created or deleted meanwhile may be in the list or not. With a limit,
// the hooks of a page are chosen before its first byte is sent, since the headers say
// where the next page begins.

#include "api/hooks/handlers.h"

#include <string.h>

#include "api/core/api_request.h"
#include "api/hooks/hook_table_routes.h"
#include "api/json/json_members.h"
#include "api/json/pagination.h"
#include "common/config/config_types.h"
#include "common/log/log.h"

#define LIMIT_MAX 1000

struct listing {
    struct api_request *rq;
    struct hook_scope scope;
    struct buf after; // name of the last hook before this page; empty: none
    size_t limit;     // hooks; 0: all
    struct json_writer json; // writes into the current piece
    struct buf first;        // the first piece
    struct buf last; // name of the last hook that was shown, or that a page has
    size_t n_hooks;  // chosen for a page
    bool has_more;   // at least one hook is left
    size_t n_nos, at_no;
    uint64_t nos[LIMIT_MAX]; // hooks of a page that later pieces show
};

// --- the query ---

// Appends the text that a token of this list is bound to.
static void put_scope(const struct hook_scope *scope, struct buf *out)
{
    const struct str parts[] = { scope->org, scope->project, scope->target };

    buf_putc(out, (char)scope->dialect);
    buf_putc(out, (char)scope->level);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        buf_put_str(out, parts[i]);
        buf_putc(out, '\0');
    }
}

// Reads `limit`. False: it is invalid; the request has been answered.
static bool read_limit(struct listing *l)
{
    struct http_request *r = l->rq->http;
    struct buf text;
    uint64_t limit = 0;
    enum err err;

    buf_init(&text, 0);
    err = http_query(r, "limit", &text);
    if (err == OK)
        err = config_read_count(buf_str(&text), 1, LIMIT_MAX, &limit);
    if (err != OK && err != ERR_NOTFOUND) {
        http_fail(r, 400, STR_EMPTY,
                  "limit: %s is not allowed; allowed: a number from 1 to %d",
                  log_quote(buf_str(&text)), LIMIT_MAX);
    }
    buf_clear(&text);
    l->limit = (size_t)limit;
    return err == OK || err == ERR_NOTFOUND;
}

// Reads `continuationToken`. False: it is invalid; the request has been answered. An
// empty token counts as none. In Pulumi's API without `limit`, an invalid token also
// counts as none: such clients know of no pages, and their token comes from another
// server. A client that gives a limit knows of pages.
static bool read_token(struct listing *l, const uint8_t key[SHA256_BYTES])
{
    struct http_request *r = l->rq->http;
    struct buf text, scope;
    enum err err;

    buf_init(&text, 0);
    buf_init(&scope, 0);
    put_scope(&l->scope, &scope);
    err = http_query(r, "continuationToken", &text);
    if (err == ERR_NOTFOUND) {
        err = OK;
    } else if (err == OK && text.n_bytes > 0) {
        err = page_token_read(key, buf_str(&scope), buf_str(&text), &l->after);
    }
    if (err != OK && l->limit == 0 && l->scope.dialect == DIALECT_PULUMI) {
        buf_reset(&l->after);
        err = OK;
    } else if (err != OK) {
        http_fail(r, 400, STR_EMPTY,
                  "continuationToken is not one that this server gave out for "
                  "this list");
    }
    buf_clear(&scope);
    buf_clear(&text);
    return err == OK;
}

// --- the list ---

static bool is_full(const struct listing *l)
{
    return l->json.out->n_bytes >= HTTP_PIECE_BYTES;
}

static void note_last(struct listing *l, const struct hook *hook)
{
    buf_reset(&l->last);
    buf_put_str(&l->last, hook->name);
}

// Appends a hook to a list without a limit.
static bool put_listed(void *data, const struct hook *hook)
{
    struct listing *l = data;

    if (is_full(l)) {
        l->has_more = true; // this one, at least
        return false;
    }
    request_print_hook(l->rq, hook, &l->json);
    note_last(l, hook);
    return true;
}

// Takes a hook into a page: shows it, or notes it for a later piece.
static bool choose(void *data, const struct hook *hook)
{
    struct listing *l = data;

    if (l->n_hooks == l->limit) {
        l->has_more = true; // this one, at least
        return false;
    }
    l->n_hooks++;
    if (is_full(l)) {
        l->nos[l->n_nos++] = hook->no;
    } else {
        request_print_hook(l->rq, hook, &l->json);
    }
    note_last(l, hook);
    return true;
}

static bool put_chosen(void *data, const struct hook *hook)
{
    struct listing *l = data;

    request_print_hook(l->rq, hook, &l->json);
    return false;
}

static enum err put_page(struct listing *l)
{
    while (l->at_no < l->n_nos && !is_full(l)) {
        enum err err = hook_get_by_no(l->rq->api->hooks, l->nos[l->at_no++],
                                      put_chosen, l);

        if (err != OK && err != ERR_NOTFOUND) // NOTFOUND: deleted meanwhile
            return err;
    }
    return OK;
}

static enum err put_list(struct listing *l)
{
    l->has_more = false;
    return hook_list(l->rq->api->hooks, &l->scope, buf_str(&l->last),
                     put_listed, l);
}

static bool is_whole(const struct listing *l)
{
    return l->limit > 0 ? l->at_no == l->n_nos : !l->has_more;
}

static enum http_more next(void *data, struct buf *out)
{
    struct api_request *rq = data;
    struct listing *l = rq->data;
    enum err err;

    l->json.out = out;
    err = l->limit > 0 ? put_page(l) : put_list(l);
    if (err != OK) {
        log_warn("a list of hooks ends early because hooks cannot be read",
                 "reason=%s", log_quote(str_of(err_str(err))));
        return HTTP_FAILED;
    }
    if (!is_whole(l))
        return HTTP_MORE;
    json_close(&l->json);
    return HTTP_LAST;
}

static void respond(struct listing *l, const uint8_t key[SHA256_BYTES])
{
    struct http_response response = { .status = 200 };
    struct buf headers, scope, token;

    buf_init(&headers, 0);
    buf_init(&scope, 0);
    buf_init(&token, 0);
    if (l->limit > 0 && l->has_more) {
        put_scope(&l->scope, &scope);
        page_token_put(key, buf_str(&scope), buf_str(&l->last), &token);
        page_put_headers(l->rq->http, buf_str(&token), &headers);
    }
    if (is_whole(l))
        json_close(&l->json);
    response.headers = buf_str(&headers);
    response.body = buf_str(&l->first);
    if (is_whole(l)) {
        http_respond(l->rq->http, &response);
    } else {
        request_answer_pieces(l->rq, &response, next);
        buf_clear(&l->first);
    }
    buf_clear(&token);
    buf_clear(&scope);
    buf_clear(&headers);
}

static void list(struct listing *l, const uint8_t key[SHA256_BYTES])
{
    enum err err;

    json_open_array(&l->json, NULL);
    err = hook_list(l->rq->api->hooks, &l->scope, buf_str(&l->after),
                    l->limit > 0 ? choose : put_listed, l);
    if (err == OK) {
        respond(l, key);
    } else {
        request_fail_store(l->rq, err);
    }
}

static void on_free(struct api_request *rq)
{
    struct listing *l = rq->data;

    buf_clear(&l->last);
    buf_clear(&l->first);
    buf_clear(&l->after);
}

static bool has_param(const struct api_request *rq, const char *name)
{
    struct buf text;
    bool has_it;

    buf_init(&text, 0);
    has_it = http_query(rq->http, name, &text) != ERR_NOTFOUND;
    buf_clear(&text);
    return has_it;
}

// Whether the request asks for the hooks of all places of its organization. Other values
// of `scope` mean nothing to us, as in Pulumi's API.
static bool is_about_all_places(const struct api_request *rq,
                                const struct hook_scope *scope)
{
    struct buf text;
    bool is_all;

    if (scope->level != LEVEL_ORGANIZATION)
        return false;
    buf_init(&text, 0);
    is_all = http_query(rq->http, "scope", &text) == OK &&
             str_is(buf_str(&text), "all");
    buf_clear(&text);
    return is_all;
}

void hooks_list(struct api_request *rq)
{
    struct listing *l = arena_take(&rq->arena, sizeof(*l));
    uint8_t key[SHA256_BYTES];

    memset(l, 0, sizeof(*l));
    l->rq = rq;
    if (!request_scope(rq, &l->scope))
        return;
    if (is_about_all_places(rq, &l->scope)) {
        hook_table_get(rq, &l->scope, false);
        return;
    }
    if (has_param(rq, "series")) {
        hook_table_get(rq, &l->scope, true);
        return;
    }
    buf_init(&l->after, 0);
    buf_init(&l->first, 0);
    buf_init(&l->last, 0);
    l->json = json_writer(&l->first);
    rq->data = l;
    rq->on_free = on_free;
    auth_key(rq->api->auth, "hooks", key);
    if (read_limit(l) && read_token(l, key))
        list(l, key);
}
