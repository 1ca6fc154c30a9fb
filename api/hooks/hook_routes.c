// SPDX-License-Identifier: MIT
// hook_routes.c — handlers of the routes that make, show, change and delete a hook.

#include "api/hooks/handlers.h"

#include <stdlib.h>

#include "api/core/api_request.h"
#include "api/core/audit.h"
#include "api/hooks/secret_expiry.h"
#include "api/json/pulumi_hook_json.h"
#include "common/base/clock.h"
#include "common/encoding/crypto.h"
#include "queue/queue.h"

#define NAME_TRIES    8 // attempts to generate a name that is not taken
#define UPDATE_TRIES  5
#define WHY_MAX_BYTES 4096

static void answer_hook(struct api_request *rq, unsigned status,
                        const struct hook *hook)
{
    struct hook_showing to = request_showing(rq);
    struct buf body;
    struct json_writer w = json_writer(&body);

    buf_init(&body, 0);
    if (status == 201) {
        json_open_object(&w, NULL);
        request_dialect(rq)->print_created(&to, hook, &w);
        json_close(&w);
    } else {
        request_print_hook(rq, hook, &w);
    }
    request_answer(rq, status, buf_str(&body));
    buf_clear(&body);
}

// --- get ---

struct printing {
    struct api_request *rq;
    struct buf body;
};

static bool put_found(void *data, const struct hook *hook)
{
    struct printing *p = data;
    struct json_writer w = json_writer(&p->body);

    request_print_hook(p->rq, hook, &w);
    return false;
}

// Finds the hook that the path names. ERR_NOTFOUND also for an invalid name.
static enum err find(struct api_request *rq, const struct hook_scope *scope,
                     hook_visit visit, void *data)
{
    struct str name = rq->match.params[PARAM_HOOK];

    if (!hook_name_is_valid(name))
        return ERR_NOTFOUND;
    return hook_get(rq->api->hooks, scope, name, visit, data);
}

void hooks_get(struct api_request *rq)
{
    struct printing p = { .rq = rq };
    struct hook_scope scope;
    enum err err;

    if (!request_scope(rq, &scope))
        return;
    (void)request_showing(rq);
    buf_init(&p.body, 0);
    err = find(rq, &scope, put_found, &p);
    if (err == OK) {
        request_answer(rq, 200, buf_str(&p.body));
    } else if (err == ERR_NOTFOUND) {
        request_fail_missing(rq, PARAM_HOOK);
    } else {
        request_fail_store(rq, err);
    }
    buf_clear(&p.body);
}

// --- create ---

static struct hook_reader reader_of(struct api_request *rq, struct buf *why)
{
    return (struct hook_reader){
        .arena = &rq->arena,
        .slack_url_prefixes = rq->api->config->slack_url_prefixes,
        .config = rq->api->config,
        .now_ms = clock_now_ms(),
        .secret_overlap_ms = rq->api->config->secret_overlap_ms,
        .why = why,
    };
}

static struct str random_name(struct api_request *rq, int64_t at_ms)
{
    uint8_t random[HOOK_NAME_RANDOM];
    struct buf text;
    struct str name;

    crypto_random(random, sizeof(random));
    buf_init(&text, 0);
    request_dialect(rq)->put_name(random, at_ms, &text);
    name = arena_copy(&rq->arena, buf_str(&text));
    buf_clear(&text);
    return name;
}

// Stores a new hook under its name, or, if it has none, under a generated free name.
static enum err store_new(struct api_request *rq, struct hook *hook)
{
    bool is_named = hook->name.n_bytes > 0;
    enum err err = ERR_EXISTS;

    if (is_named)
        return hook_create(rq->api->hooks, hook);
    for (int i = 0; i < NAME_TRIES && err == ERR_EXISTS; i++) {
        hook->name = random_name(rq, hook->created_at_ms);
        err = hook_create(rq->api->hooks, hook);
    }
    return err;
}

// Sets the position from which the hook gets events: those accepted from now on.
static enum err begin_here(struct api_request *rq, struct hook *hook)
{
    return event_view_end(rq->api->events, &hook->from);
}

// False: there are too many hooks; the request has been answered. Their number does not
// fall by itself, so the answer is 409, a conflict, and not 429.
static bool may_create(struct api_request *rq, const struct hook_scope *scope)
{
    struct share_limit limit = cap_limit(rq->api->config, CAP_HOOKS);
    uint64_t org_id;
    enum share share;

    if (!request_org_no(rq, scope, &org_id))
        return false;
    share = shares_check(&rq->api->shares[CAP_HOOKS], &limit, org_id,
                         rq->grant.is_admin, 1);
    if (share == SHARE_THERE)
        return true;
    request_refuse_share(rq, CAP_HOOKS, share, 409);
    return false;
}

static void create(struct api_request *rq, struct hook *hook)
{
    enum err err;

    if (!may_create(rq, &hook->scope))
        return;
    hook->created_at_ms = clock_now_ms();
    hook->updated_at_ms = hook->created_at_ms;
    err = begin_here(rq, hook);
    if (err == OK)
        err = store_new(rq, hook);
    if (err == ERR_EXISTS) {
        http_fail(rq->http, 409, STR_EMPTY,
                  "Webhook with name %.*s already exists.",
                  STR_ARG(hook->name));
        return;
    }
    if (err != OK) {
        request_fail_store(rq, err);
        return;
    }
    shares_add(&rq->api->shares[CAP_HOOKS], hook->org_id, 1);
    api_hint(rq->api);
    audit_hook(rq, "hook created", NULL, hook);
    answer_hook(rq, 201, hook);
}

void hooks_create(struct api_request *rq)
{
    struct hook hook = { .no = 0 };
    struct hook_reader reader;
    struct json *body;
    struct buf why;

    if (!request_scope(rq, &hook.scope) || !request_json(rq, &body))
        return;
    buf_init(&why, WHY_MAX_BYTES);
    reader = reader_of(rq, &why);
    if (request_dialect(rq)->read_new(&reader, json_root(body), &hook) == OK) {
        create(rq, &hook);
    } else {
        http_fail(rq->http, 400, STR_EMPTY, "%s", buf_cstr(&why));
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

// Reads the hook, merges, writes it back; answers the request, unless the result is
// ERR_CONFLICT: the hook was written by another request in between.
static enum err try_update(struct api_request *rq,
                           const struct hook_scope *scope,
                           const struct json_value *body)
{
    struct hook *old = NULL;
    struct hook_reader reader;
    struct hook hook;
    struct buf why;
    enum err merged, err = find(rq, scope, copy_found, &old);

    if (err != OK)
        return err;
    hook = *old;
    buf_init(&why, WHY_MAX_BYTES);
    reader = reader_of(rq, &why);
    merged = request_dialect(rq)->merge(&reader, body, &hook);
    if (merged == OK) {
        hook.updated_at_ms = clock_now_ms();
        if (hook.active && !old->active)
            err = begin_here(rq, &hook);
        if (err == OK)
            err = hook_update(rq->api->hooks, &hook);
        if (err == OK) {
            expire_note(rq->api, &hook);
            api_hint(rq->api);
            audit_hook(rq, "hook changed", old, &hook);
            answer_hook(rq, 200, &hook);
        }
    } else {
        http_fail(rq->http, merged == ERR_FULL ? 409 : 400, STR_EMPTY, "%s",
                  buf_cstr(&why));
    }
    buf_clear(&why);
    hook_free(old);
    return err;
}

void hooks_update(struct api_request *rq)
{
    struct hook_scope scope;
    struct json *body;
    enum err err = ERR_CONFLICT;

    if (!request_scope(rq, &scope) || !request_json(rq, &body))
        return;
    for (int i = 0; i < UPDATE_TRIES && err == ERR_CONFLICT; i++)
        err = try_update(rq, &scope, json_root(body));
    if (err == ERR_NOTFOUND) {
        request_fail_missing(rq, PARAM_HOOK);
    } else if (err == ERR_CONFLICT) {
        http_fail(rq->http, 409, STR_EMPTY,
                  "somebody else keeps changing this webhook; try again");
    } else if (err != OK) {
        request_fail_store(rq, err);
    }
    json_free(body);
}

// --- delete ---

// Writes the log line of a deletion. Of a record that could not be read (`old` is NULL)
// only the name is logged.
static void audit_deleted(struct api_request *rq,
                          const struct hook_scope *scope,
                          const struct hook *old)
{
    if (old != NULL) {
        audit_hook(rq, "hook deleted", old, NULL);
    } else {
        audit(rq, "hook deleted", "%s",
              hook_log_at(scope, rq->match.params[PARAM_HOOK], 0));
    }
}

static void delete (struct api_request *rq, const struct hook_scope *scope,
                    uint64_t org_id, const struct hook *old)
{
    struct http_response response = { .status = 204 };
    struct str name = rq->match.params[PARAM_HOOK];
    enum err err = ERR_NOTFOUND;

    if (hook_name_is_valid(name))
        err = hook_delete(rq->api->hooks, scope, name);
    if (err == ERR_NOTFOUND) {
        request_fail_missing(rq, PARAM_HOOK);
        return;
    }
    if (err != OK) {
        request_fail_store(rq, err);
        return;
    }
    // A record that could not be read at the start is not counted.
    if (shares_of(&rq->api->shares[CAP_HOOKS], org_id) > 0)
        shares_remove(&rq->api->shares[CAP_HOOKS], org_id, 1);
    api_hint(rq->api);
    audit_deleted(rq, scope, old);
    http_respond(rq->http, &response);
}

void hooks_delete(struct api_request *rq)
{
    struct hook_scope scope;
    struct hook *old = NULL;
    uint64_t org_id;

    if (!request_scope(rq, &scope) || !request_org_no(rq, &scope, &org_id))
        return;
    // Read for the log only: the deletion itself says whether the hook exists.
    (void)find(rq, &scope, copy_found, &old);
    delete (rq, &scope, org_id, old);
    hook_free(old);
}
