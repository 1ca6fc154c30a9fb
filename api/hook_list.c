// hook_list.c — handler of the routes that list the hooks of a scope.
//
// Without a limit the list is whole: clients of Pulumi read one bare array and
// know of no pages. What is longer than LIST_BYTES goes on behind a token all
// the same, so that no answer is without bounds.

#include "api/hook_list.h"

#include "api/body.h"
#include "api/paging.h"
#include "api/server.h"
#include "common/config_types.h"
#include "common/log.h"

#define LIMIT_MAX  1000
#define PAGE_BYTES ((size_t)8 << 20)
#define LIST_BYTES ((size_t)64 << 20)

struct list {
    struct call *call;
    struct hook_scope scope;
    struct buf after; // name of the last one before this page; empty: none
    size_t limit;     // hooks; 0: all
    struct buf body;
    struct buf last; // name of the last one in the body
    size_t n_hooks;  // in the body
    bool has_more;   // at least one is left
};

// --- the query ---

// What the token of a list is bound to.
static void put_scope(const struct hook_scope *scope, struct buf *out)
{
    const struct str parts[] = { scope->org, scope->project, scope->target };

    buf_putc(out, (char)scope->family);
    buf_putc(out, (char)scope->level);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        buf_put_str(out, parts[i]);
        buf_putc(out, '\0');
    }
}

// False: it is not good; answered.
static bool read_limit(struct list *l)
{
    struct http_request *r = l->call->request;
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

// False: it is not good; answered. An empty one is as good as none.
static bool read_token(struct list *l, const uint8_t key[SHA256_BYTES])
{
    struct http_request *r = l->call->request;
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
    if (err != OK) {
        http_fail(r, 400, STR_EMPTY,
                  "continuationToken is not one that this server gave out for "
                  "this list");
    }
    buf_clear(&scope);
    buf_clear(&text);
    return err == OK;
}

// --- the list ---

static bool is_full(const struct list *l)
{
    return l->limit > 0
               ? l->n_hooks == l->limit || l->body.n_bytes >= PAGE_BYTES
               : l->body.n_bytes >= LIST_BYTES;
}

static bool put_listed(void *data, const struct hook *hook)
{
    struct list *l = data;

    if (is_full(l)) {
        l->has_more = true; // this one, at least
        return false;
    }
    if (l->n_hooks++ > 0)
        buf_putc(&l->body, ',');
    call_print_hook(l->call, hook, &l->body);
    buf_reset(&l->last);
    buf_put_str(&l->last, hook->name);
    return true;
}

static void answer(struct list *l, const uint8_t key[SHA256_BYTES])
{
    struct http_response response = { .status = 200 };
    struct buf headers, scope, token;

    buf_init(&headers, 0);
    buf_init(&scope, 0);
    buf_init(&token, 0);
    if (l->has_more) {
        put_scope(&l->scope, &scope);
        page_token_put(key, buf_str(&scope), buf_str(&l->last), &token);
        page_put_headers(l->call->request, buf_str(&token), &headers);
    }
    response.headers = buf_str(&headers);
    response.body = buf_str(&l->body);
    http_respond(l->call->request, &response);
    buf_clear(&token);
    buf_clear(&scope);
    buf_clear(&headers);
}

static void list(struct list *l, const uint8_t key[SHA256_BYTES])
{
    enum err err;

    buf_putc(&l->body, '[');
    err = hook_list(l->call->api->hooks, &l->scope, buf_str(&l->after),
                    put_listed, l);
    buf_putc(&l->body, ']');
    if (err == OK) {
        answer(l, key);
    } else {
        call_fail_store(l->call, err);
    }
}

void hooks_list(struct call *c)
{
    struct list l = { .call = c };
    uint8_t key[SHA256_BYTES];

    if (!call_scope(c, &l.scope))
        return;
    (void)call_showing(c);
    buf_init(&l.after, 0);
    buf_init(&l.body, 0);
    buf_init(&l.last, 0);
    auth_key(c->api->auth, "hooks", key);
    if (read_limit(&l) && read_token(&l, key))
        list(&l, key);
    buf_clear(&l.last);
    buf_clear(&l.body);
    buf_clear(&l.after);
}
