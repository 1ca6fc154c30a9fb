// SPDX-License-Identifier: MIT
// hook_routes.c — handlers of the routes that make, show, change and delete a hook.
//
// With dryRun=true, a create or an update is judged to the end, and answered with the hook
// as it would be, but nothing is written. With events=N, the answer also says which of
// the newest events the hook would get.

#include "api/hooks/handlers.h"

#include <string.h>

#include "api/core/api_request.h"
#include "api/core/audit.h"
#include "api/hooks/hook_counts.h"
#include "api/hooks/hook_judgement.h"
#include "api/hooks/org_signing.h"
#include "api/hooks/secret_expiry.h"
#include "api/hooks/secret_usage.h"
#include "api/json/pulumi_hook_json.h"
#include "common/base/clock.h"
#include "common/base/codec.h"
#include "common/encoding/crypto.h"
#include "common/log/log.h"
#include "queue/queue.h"

#define NAME_TRIES    8 // attempts to generate a name that is not taken
#define UPDATE_TRIES  5
#define WHY_MAX_BYTES 4096

// What a change of a hook needs until it is answered.
struct hook_change {
    struct hook_scope scope;
    struct json *body; // owned; NULL: the request has none
    struct hook *old;  // owned; as it was before; NULL: not read
    struct hook hook;  // a new hook, whose texts lie in the body and the arena
    bool is_named;     // the client named it
    bool is_dry;       // nothing is written
    size_t n_events;   // that a dry run judges
    unsigned n_tries;  // writes so far
    uint64_t org_id;   // of the scope's organization; 0: it has no number yet
    struct hook_counts counts;
    void (*again)(struct api_request *rq); // after the organization has a key
};

static void on_free(struct api_request *rq)
{
    struct hook_change *c = rq->data;

    json_free(c->body);
    hook_free(c->old);
}

static struct hook_change *change_new(struct api_request *rq)
{
    struct hook_change *c = arena_take(&rq->arena, sizeof(*c));

    memset(c, 0, sizeof(*c));
    rq->data = c;
    rq->on_free = on_free;
    return c;
}

static void print_hook(struct api_request *rq, unsigned status,
                       const struct hook *hook, struct buf *out)
{
    struct hook_showing to = request_showing(rq);
    struct json_writer w = json_writer(out);

    if (hook->no == 0 || status == 201) { // new
        json_open_object(&w, NULL);
        request_dialect(rq)->print_created(&to, hook, &w);
        json_close(&w);
    } else {
        request_print_hook(rq, hook, &w);
    }
}

static void answer_hook(struct api_request *rq, unsigned status,
                        const struct hook *hook)
{
    struct buf body;

    buf_init(&body, 0);
    print_hook(rq, status, hook, &body);
    request_answer(rq, status, buf_str(&body));
    buf_clear(&body);
}

// Begins a change in its turn; a dry run, which changes nothing, needs none.
static void change_or_judge(struct api_request *rq,
                            void (*begin)(struct api_request *rq))
{
    const struct hook_change *c = rq->data;

    if (c->is_dry) {
        begin(rq);
    } else {
        request_change(rq, begin, CHANGE_BESIDE);
    }
}

// Answers a dry run with the hook as it would be.
static void answer_dry(struct api_request *rq, const struct hook *hook)
{
    const struct hook_change *c = rq->data;
    struct buf printed;

    if (c->n_events == 0) {
        answer_hook(rq, 200, hook);
        return;
    }
    buf_init(&printed, 0);
    print_hook(rq, 200, hook, &printed);
    judgement_answer(rq, hook, buf_str(&printed), c->n_events);
    buf_clear(&printed);
}

// --- get ---

struct printing {
    struct api_request *rq;
    struct buf body;
};

static bool put_found(void *data, const struct hook *hook)
{
    struct printing *p = data;
    struct hook_showing to = request_showing(p->rq);
    struct json_writer w = json_writer(&p->body);

    json_open_object(&w, NULL);
    request_dialect(p->rq)->print(&to, hook, &w);
    request_put_state(p->rq, hook, &w);
    secret_usage_put(p->rq->api, hook, &w);
    json_close(&w);
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

// Reads `dryRun` and `events`. False: one is not valid; the request has been answered.
static bool read_dry_run(struct api_request *rq, struct hook_change *c)
{
    bool *out = &c->is_dry;
    struct buf text;
    enum err err;

    buf_init(&text, 0);
    err = http_query(rq->http, "dryRun", &text);
    *out = err == OK && str_is(buf_str(&text), "true");
    if (err == OK && !*out && !str_is(buf_str(&text), "false"))
        err = ERR_INVALID;
    if (err == ERR_INVALID)
        http_fail(rq->http, 400, STR_EMPTY, "dryRun must be true or false");
    buf_clear(&text);
    return err != ERR_INVALID && judgement_read(rq, c->is_dry, &c->n_events);
}

static struct validation validation_of(struct api_request *rq, struct buf *why,
                                       const char **field)
{
    *field = NULL;
    return (struct validation){
        .arena = &rq->arena,
        .slack_url_prefixes = rq->api->config->slack_url_prefixes,
        .config = rq->api->config,
        .now_ms = clock_now_ms(),
        .secret_overlap_ms = rq->api->config->secret_overlap_ms,
        .why = why,
        .field = field,
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

// Sets the position from which the hook gets events: those accepted from now on.
static enum err begin_here(struct api_request *rq, struct hook *hook)
{
    return event_view_end(rq->api->events, &hook->from);
}

static void fail_name(struct api_request *rq)
{
    const struct hook_change *c = rq->data;

    http_fail_field(rq->http, 409, "name",
                    "Webhook with name %.*s already exists.",
                    STR_ARG(c->hook.name));
}

// Answers a dry run with the hook as it would be made. A generated name is an example.
static void judge_new(struct api_request *rq)
{
    struct hook_change *c = rq->data;
    uint64_t no;
    enum err err = ERR_NOTFOUND;

    if (c->is_named) {
        err = hook_get(rq->api->hooks, &c->hook.scope, c->hook.name,
                       hook_visit_no, &no);
    } else {
        c->hook.name = random_name(rq, c->hook.created_at_ms);
    }
    if (err == OK) {
        fail_name(rq);
    } else if (err == ERR_NOTFOUND) {
        answer_dry(rq, &c->hook);
    } else {
        request_fail_store(rq, err);
    }
}

static void write_new(struct api_request *rq);
static void begin_create(struct api_request *rq);

static void on_created(struct api_request *rq,
                       const struct catalog_result *result)
{
    struct hook_change *c = rq->data;

    if (result->err == ERR_EXISTS && !c->is_named && c->n_tries < NAME_TRIES) {
        write_new(rq); // the generated name is taken
        return;
    }
    hook_counts_end(rq->api, &c->counts, result->hook);
    if (result->err == ERR_EXISTS) {
        fail_name(rq);
    } else if (result->err != OK) {
        request_fail_store(rq, result->err);
    } else {
        api_hint(rq->api);
        audit_hook(rq, "hook created", NULL, result->hook);
        answer_hook(rq, 201, result->hook);
    }
}

// Goes on with a change of a hook, once its organization has a key that was missing.
static void on_key_made(struct api_request *rq,
                        const struct catalog_result *result)
{
    struct hook_change *c = rq->data;

    if (result->err == OK)
        audit(rq, "signing key created", "org=%s", log_quote(c->scope.org));
    if (result->err == OK || result->err == ERR_CONFLICT) { // another made it
        request_change(rq, c->again, CHANGE_ALONE);
    } else {
        request_fail_store(rq, result->err);
    }
}

// A hook that signs with its organization's key needs one. False: there is none, and it is
// made first, after which `again` runs; or the request has been answered.
static bool has_org_key(struct api_request *rq, const struct hook *hook,
                        uint64_t org_no, void (*again)(struct api_request *rq))
{
    struct hook_change *c = rq->data;
    struct signing_keys keys;
    struct catalog_caller caller;
    uint64_t revision;
    enum err err;

    if (hook->signing != SIGNING_ORGANIZATION || c->is_dry)
        return true;
    err = org_signing_get(rq->api, org_no, &rq->arena, &keys, &revision);
    crypto_wipe(&keys, sizeof(keys));
    if (err == OK)
        return true;
    if (err != ERR_NOTFOUND) {
        request_fail_store(rq, err);
        return false;
    }
    c->again = again;
    if (c->scope.org.n_bytes == 0) // a new hook
        c->scope = c->hook.scope;
    caller = change_caller(rq, on_key_made);
    org_signing_make(rq->api, &c->scope, &caller);
    return false;
}

// Stores the new hook under its name, or, if it has none, under a generated one.
static void write_new(struct api_request *rq)
{
    const struct catalog_caller caller = change_caller(rq, on_created);
    struct hook_change *c = rq->data;

    c->n_tries++;
    if (!c->is_named)
        c->hook.name = random_name(rq, c->hook.created_at_ms);
    hook_create(rq->api->hooks, &c->hook, &caller);
}

static void begin_create(struct api_request *rq)
{
    struct hook_change *c = rq->data;
    enum err err;

    if (!request_org_no(rq, &c->hook.scope, &c->org_id) ||
        !has_org_key(rq, &c->hook, c->org_id, begin_create))
        return;
    if (!hook_counts_begin(rq, &c->counts, c->org_id, NULL, &c->hook))
        return;
    c->is_named = c->hook.name.n_bytes > 0;
    c->hook.created_at_ms = clock_now_ms();
    c->hook.updated_at_ms = c->hook.created_at_ms;
    if (c->is_dry) {
        judge_new(rq);
        return;
    }
    err = begin_here(rq, &c->hook);
    if (err != OK) {
        request_fail_store(rq, err);
        return;
    }
    hook_counts_take(rq->api, &c->counts);
    write_new(rq);
}

void hooks_create(struct api_request *rq)
{
    struct hook_change *c = change_new(rq);
    struct validation validation;
    const char *field;
    struct buf why;

    if (!request_scope(rq, &c->hook.scope) || !read_dry_run(rq, c) ||
        !request_json(rq, &c->body))
        return;
    buf_init(&why, WHY_MAX_BYTES);
    validation = validation_of(rq, &why, &field);
    if (request_dialect(rq)->read_new(&validation, json_root(c->body),
                                      &c->hook) == OK) {
        change_or_judge(rq, begin_create);
    } else {
        http_fail_field(rq->http, 400, field, "%s", buf_cstr(&why));
    }
    buf_clear(&why);
}

// --- update ---

static void begin_update(struct api_request *rq);

static void on_updated(struct api_request *rq,
                       const struct catalog_result *result)
{
    struct hook_change *c = rq->data;

    hook_counts_end(rq->api, &c->counts, result->hook);
    if (result->err == ERR_CONFLICT && c->n_tries < UPDATE_TRIES) {
        // From the hook as it is now, which stays so.
        request_change(rq, begin_update, CHANGE_ALONE);
    } else if (result->err == ERR_CONFLICT) {
        http_fail(rq->http, 409, STR_EMPTY,
                  "somebody else keeps changing this webhook; try again");
    } else if (result->err == ERR_NOTFOUND) {
        request_fail_missing(rq, PARAM_HOOK);
    } else if (result->err != OK) {
        request_fail_store(rq, result->err);
    } else {
        expire_note(rq->api, result->hook);
        api_hint(rq->api);
        audit_hook(rq, "hook changed", c->old, result->hook);
        answer_hook(rq, 200, result->hook);
    }
}

// Writes the hook with the body's changes, under the revision that it was read with.
static void write_merged(struct api_request *rq)
{
    struct hook_change *c = rq->data;
    struct catalog_caller caller;
    struct hook hook = *c->old;
    struct validation validation;
    const char *field;
    struct buf why;
    enum err err;

    buf_init(&why, WHY_MAX_BYTES);
    validation = validation_of(rq, &why, &field);
    err = request_dialect(rq)->merge(&validation, json_root(c->body), &hook);
    if (err != OK) {
        http_fail_field(rq->http, err == ERR_FULL ? 409 : 400, field, "%s",
                        buf_cstr(&why));
        buf_clear(&why);
        return;
    }
    buf_clear(&why);
    if (!has_org_key(rq, &hook, hook.org_id, begin_update))
        return;
    if (!hook_counts_begin(rq, &c->counts, c->old->org_id, c->old, &hook))
        return;
    hook.updated_at_ms = clock_now_ms();
    if (c->is_dry) {
        answer_dry(rq, &hook);
        return;
    }
    if (hook.active && !c->old->active)
        err = begin_here(rq, &hook);
    if (err != OK) {
        request_fail_store(rq, err);
        return;
    }
    c->n_tries++;
    hook_counts_take(rq->api, &c->counts);
    caller = change_caller(rq, on_updated);
    hook_update(rq->api->hooks, &hook, &caller);
}

static void begin_update(struct api_request *rq)
{
    struct hook_change *c = rq->data;
    enum err err;

    hook_free(c->old);
    c->old = NULL;
    err = find(rq, &c->scope, hook_visit_copy, &c->old);
    if (err == OK) {
        write_merged(rq);
    } else if (err == ERR_NOTFOUND) {
        request_fail_missing(rq, PARAM_HOOK);
    } else {
        request_fail_store(rq, err);
    }
}

void hooks_update(struct api_request *rq)
{
    struct hook_change *c = change_new(rq);

    if (request_scope(rq, &c->scope) && read_dry_run(rq, c) &&
        request_json(rq, &c->body))
        change_or_judge(rq, begin_update);
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

static void begin_delete(struct api_request *rq);

static void on_deleted(struct api_request *rq,
                       const struct catalog_result *result)
{
    struct http_response response = { .status = 204 };
    struct hook_change *c = rq->data;

    if (result->err == ERR_CONFLICT) {
        // So that the log shows the hook as it was deleted.
        request_change(rq, begin_delete, CHANGE_ALONE);
    } else if (result->err == ERR_NOTFOUND) {
        request_fail_missing(rq, PARAM_HOOK);
    } else if (result->err != OK) {
        request_fail_store(rq, result->err);
    } else {
        hook_counts_forget(rq->api, c->org_id, c->old);
        api_hint(rq->api);
        audit_deleted(rq, &c->scope, c->old);
        http_respond(rq->http, &response);
    }
}

static void begin_delete(struct api_request *rq)
{
    struct hook_change *c = rq->data;
    struct str name = rq->match.params[PARAM_HOOK];
    uint64_t revision = 0;
    struct catalog_caller caller;

    if (!request_org_no(rq, &c->scope, &c->org_id))
        return;
    hook_free(c->old);
    c->old = NULL;
    // A record that cannot be read can be deleted all the same.
    if (find(rq, &c->scope, hook_visit_copy, &c->old) == ERR_NOTFOUND) {
        request_fail_missing(rq, PARAM_HOOK);
        return;
    }
    if (c->old != NULL && ++c->n_tries < UPDATE_TRIES)
        revision = c->old->revision;
    caller = change_caller(rq, on_deleted);
    hook_delete(rq->api->hooks, &c->scope, name, revision, &caller);
}

void hooks_delete(struct api_request *rq)
{
    struct hook_change *c = change_new(rq);

    if (request_scope(rq, &c->scope))
        request_change(rq, begin_delete, CHANGE_BESIDE);
}
