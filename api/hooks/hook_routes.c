// hook_routes.c — handlers of the routes that make, show, change and delete a hook.

#include "api/hooks/handlers.h"

#include <stdlib.h>

#include "api/core/audit.h"
#include "api/core/call.h"
#include "api/hooks/secret_expiry.h"
#include "api/json/pulumi_hook_json.h"
#include "common/base/clock.h"
#include "common/encoding/crypto.h"
#include "queue/queue.h"

#define NAME_TRIES    8 // a generated name may be taken
#define UPDATE_TRIES  5
#define WHY_MAX_BYTES 4096

static void answer_hook(struct call *c, unsigned status,
                        const struct hook *hook)
{
    struct hook_showing to = call_showing(c);
    struct buf body;

    buf_init(&body, 0);
    if (status == 201) {
        call_dialect(c)->print_created(&to, hook, &body);
    } else {
        call_print_hook(c, hook, &body);
    }
    call_answer(c, status, buf_str(&body));
    buf_clear(&body);
}

// --- get ---

struct printing {
    struct call *call;
    struct buf body;
};

static bool put_found(void *data, const struct hook *hook)
{
    struct printing *p = data;

    call_print_hook(p->call, hook, &p->body);
    return false;
}

// Where the path points to. ERR_NOTFOUND also for what cannot be a name.
static enum err find(struct call *c, const struct hook_scope *scope,
                     hook_visit visit, void *data)
{
    struct str name = c->match.params[PARAM_HOOK];

    if (!hook_name_is_valid(name))
        return ERR_NOTFOUND;
    return hook_get(c->api->hooks, scope, name, visit, data);
}

void hooks_get(struct call *c)
{
    struct printing p = { .call = c };
    struct hook_scope scope;
    enum err err;

    if (!call_scope(c, &scope))
        return;
    (void)call_showing(c);
    buf_init(&p.body, 0);
    err = find(c, &scope, put_found, &p);
    if (err == OK) {
        call_answer(c, 200, buf_str(&p.body));
    } else if (err == ERR_NOTFOUND) {
        call_fail_missing(c, PARAM_HOOK);
    } else {
        call_fail_store(c, err);
    }
    buf_clear(&p.body);
}

// --- create ---

static struct hook_reader reader_of(struct call *c, struct buf *why)
{
    return (struct hook_reader){
        .arena = &c->arena,
        .slack_url_prefixes = c->api->config->slack_url_prefixes,
        .config = c->api->config,
        .now_ms = clock_now_ms(),
        .secret_overlap_ms = c->api->config->secret_overlap_ms,
        .why = why,
    };
}

static struct str random_name(struct call *c, int64_t at_ms)
{
    uint8_t random[HOOK_NAME_RANDOM];
    struct buf text;
    struct str name;

    crypto_random(random, sizeof(random));
    buf_init(&text, 0);
    call_dialect(c)->put_name(random, at_ms, &text);
    name = arena_copy(&c->arena, buf_str(&text));
    buf_clear(&text);
    return name;
}

// Under the name it has, or else under one that is free.
static enum err store_new(struct call *c, struct hook *hook)
{
    bool is_named = hook->name.n_bytes > 0;
    enum err err = ERR_EXISTS;

    if (is_named)
        return hook_create(c->api->hooks, hook);
    for (int i = 0; i < NAME_TRIES && err == ERR_EXISTS; i++) {
        hook->name = random_name(c, hook->created_at_ms);
        err = hook_create(c->api->hooks, hook);
    }
    return err;
}

// It gets what is accepted from now on.
static enum err begin_here(struct call *c, struct hook *hook)
{
    return event_view_end(c->api->events, &hook->from);
}

// False: there are too many; answered. They do not pass by themselves, so it is
// a conflict.
static bool may_create(struct call *c, const struct hook_scope *scope)
{
    struct share_limit limit = cap_limit(c->api->config, CAP_HOOKS);
    uint64_t org_no;
    enum share share;

    if (!call_org_no(c, scope, &org_no))
        return false;
    share = shares_judge(&c->api->shares[CAP_HOOKS], &limit, org_no,
                         c->grant.is_admin, 1);
    if (share == SHARE_THERE)
        return true;
    call_refuse_share(c, CAP_HOOKS, share, 409);
    return false;
}

static void create(struct call *c, struct hook *hook)
{
    enum err err;

    if (!may_create(c, &hook->scope))
        return;
    hook->created_at_ms = clock_now_ms();
    hook->updated_at_ms = hook->created_at_ms;
    err = begin_here(c, hook);
    if (err == OK)
        err = store_new(c, hook);
    if (err == ERR_EXISTS) {
        http_fail(c->request, 409, STR_EMPTY,
                  "Webhook with name %.*s already exists.",
                  STR_ARG(hook->name));
        return;
    }
    if (err != OK) {
        call_fail_store(c, err);
        return;
    }
    shares_add(&c->api->shares[CAP_HOOKS], hook->org_no, 1);
    api_hint(c->api);
    audit_hook(c, "hook created", NULL, hook);
    answer_hook(c, 201, hook);
}

void hooks_create(struct call *c)
{
    struct hook hook = { .no = 0 };
    struct hook_reader reader;
    struct json *body;
    struct buf why;

    if (!call_scope(c, &hook.scope) || !call_json(c, &body))
        return;
    buf_init(&why, WHY_MAX_BYTES);
    reader = reader_of(c, &why);
    if (call_dialect(c)->read_new(&reader, json_root(body), &hook) == OK) {
        create(c, &hook);
    } else {
        http_fail(c->request, 400, STR_EMPTY, "%s", buf_cstr(&why));
    }
    buf_clear(&why);
    json_free(body);
}

// --- update ---

static bool copy_found(void *data, const struct hook *hook)
{
    struct hook **copy = data;

    *copy = hook_copy(hook);
    return false;
}

// Reads the hook, merges, writes it back; answers, unless it is ERR_CONFLICT:
// somebody else wrote it in between.
static enum err try_update(struct call *c, const struct hook_scope *scope,
                           const struct json_value *body)
{
    struct hook *old = NULL;
    struct hook_reader reader;
    struct hook hook;
    struct buf why;
    enum err judged, err = find(c, scope, copy_found, &old);

    if (err != OK)
        return err;
    hook = *old;
    buf_init(&why, WHY_MAX_BYTES);
    reader = reader_of(c, &why);
    judged = call_dialect(c)->merge(&reader, body, &hook);
    if (judged == OK) {
        hook.updated_at_ms = clock_now_ms();
        if (hook.active && !old->active)
            err = begin_here(c, &hook);
        if (err == OK)
            err = hook_update(c->api->hooks, &hook);
        if (err == OK) {
            expire_note(c->api, &hook);
            api_hint(c->api);
            audit_hook(c, "hook changed", old, &hook);
            answer_hook(c, 200, &hook);
        }
    } else {
        http_fail(c->request, judged == ERR_FULL ? 409 : 400, STR_EMPTY, "%s",
                  buf_cstr(&why));
    }
    buf_clear(&why);
    hook_free(old);
    return err;
}

void hooks_update(struct call *c)
{
    struct hook_scope scope;
    struct json *body;
    enum err err = ERR_CONFLICT;

    if (!call_scope(c, &scope) || !call_json(c, &body))
        return;
    for (int i = 0; i < UPDATE_TRIES && err == ERR_CONFLICT; i++)
        err = try_update(c, &scope, json_root(body));
    if (err == ERR_NOTFOUND) {
        call_fail_missing(c, PARAM_HOOK);
    } else if (err == ERR_CONFLICT) {
        http_fail(c->request, 409, STR_EMPTY,
                  "somebody else keeps changing this webhook; try again");
    } else if (err != OK) {
        call_fail_store(c, err);
    }
    json_free(body);
}

// --- delete ---

// A record that could not be read (`old` is NULL) is named alone.
static void audit_deleted(struct call *c, const struct hook_scope *scope,
                          const struct hook *old)
{
    if (old != NULL) {
        audit_hook(c, "hook deleted", old, NULL);
    } else {
        audit(c, "hook deleted", "%s",
              hook_log_at(scope, c->match.params[PARAM_HOOK], 0));
    }
}

static void delete (struct call *c, const struct hook_scope *scope,
                    uint64_t org_no, const struct hook *old)
{
    struct http_response response = { .status = 204 };
    struct str name = c->match.params[PARAM_HOOK];
    enum err err = ERR_NOTFOUND;

    if (hook_name_is_valid(name))
        err = hook_delete(c->api->hooks, scope, name);
    if (err == ERR_NOTFOUND) {
        call_fail_missing(c, PARAM_HOOK);
        return;
    }
    if (err != OK) {
        call_fail_store(c, err);
        return;
    }
    // A record that could not be read at the start is not counted.
    if (shares_of(&c->api->shares[CAP_HOOKS], org_no) > 0)
        shares_remove(&c->api->shares[CAP_HOOKS], org_no, 1);
    api_hint(c->api);
    audit_deleted(c, scope, old);
    http_respond(c->request, &response);
}

void hooks_delete(struct call *c)
{
    struct hook_scope scope;
    struct hook *old = NULL;
    uint64_t org_no;

    if (!call_scope(c, &scope) || !call_org_no(c, &scope, &org_no))
        return;
    // For the log alone: whether it is there, the deletion itself tells.
    (void)find(c, &scope, copy_found, &old);
    delete (c, &scope, org_no, old);
    hook_free(old);
}
