// SPDX-License-Identifier: MIT
// stack_routes.c — handlers of the routes of stacks, as Pulumi's command line knows them.
//
// Only the names of stacks are stored here: those that hooks, events and the command
// line use. Every stack can be requested; the named ones are listed. Their state,
// configuration and tags are not stored, and requests that would need this are refused.

#include "api/system/stack_routes.h"

#include <string.h>

#include "api/core/audit.h"
#include "api/system/handlers.h"
#include "api/system/named.h"
#include "common/base/codec.h"
#include "common/base/text.h"
#include "common/encoding/crypto.h"
#include "common/encoding/id.h"
#include "common/log/log.h"
#include "common/model/operator.h"

// The version of the command line's deployment format.
#define DEPLOYMENT_VERSION "3"

static struct stack_name name_of(const struct hook_scope *stack)
{
    return (struct stack_name){ .org = stack->org,
                                .project = stack->project,
                                .stack = stack->target };
}

// --- showing ---

// Appends an id that depends on the name only: it is the same each time, on every
// machine.
static void put_stack_id(const struct stack_name *stack, struct buf *out)
{
    char text[ID_TEXT_BYTES + 1];
    uint8_t hash[SHA256_BYTES];
    struct buf name;
    struct id id;

    buf_init(&name, 0);
    buf_put_str(&name, stack->org);
    buf_putc(&name, '/');
    buf_put_str(&name, stack->project);
    buf_putc(&name, '/');
    buf_put_str(&name, stack->stack);
    crypto_sha256(buf_str(&name), hash);
    memcpy(id.bytes, hash, sizeof(id.bytes));
    id_format(&id, text);
    buf_puts(out, text);
    buf_clear(&name);
}

// Puts the members that every answer has for a stack.
static void put_names(const struct stack_name *stack, struct json_writer *w)
{
    put_stack_id(stack, json_open_text(w, "id"));
    json_close_text(w);
    json_put_str(w, "orgName", stack->org);
    json_put_str(w, "projectName", stack->project);
    json_put_str(w, "stackName", stack->stack);
}

static void put_summary(const struct stack_name *stack, struct json_writer *w)
{
    json_open_object(w, NULL);
    put_names(stack, w);
    json_close(w);
}

static const struct named_style style = { .name = "stacks",
                                          .token = "continuationToken",
                                          .put = put_summary };

// --- reading ---

static void answer_no_stack(struct api_request *rq,
                            const struct stack_name *stack)
{
    http_fail(rq->http, 404, STR_EMPTY, "Stack '%.*s/%.*s/%.*s' not found",
              STR_ARG(stack->org), STR_ARG(stack->project),
              STR_ARG(stack->stack));
}

// Reads the stack of the path, named or not. False: its name is invalid; the request
// has been answered.
static bool read_stack(struct api_request *rq, struct stack_name *out)
{
    struct hook_scope scope;

    if (!request_scope(rq, &scope))
        return false;
    *out = name_of(&scope);
    if (!operator_is_org(out->org))
        return true;
    answer_no_stack(rq, out);
    return false;
}

// Answers 200 for every stack, since every stack can have webhooks: the command line
// asks before it makes a webhook, and would stop at a 404. Only named stacks are
// listed.
void stacks_get(struct api_request *rq)
{
    struct stack_name stack;
    struct buf body;
    struct json_writer w = json_writer(&body);

    if (!read_stack(rq, &stack))
        return;
    buf_init(&body, 0);
    json_open_object(&w, NULL);
    put_names(&stack, &w);
    json_put_text(&w, "activeUpdate", "");
    json_open_object(&w, "tags");
    json_close(&w);
    json_put_u64(&w, "version", 1);
    json_close(&w);
    request_answer(rq, 200, buf_str(&body));
    buf_clear(&body);
}

// Answers an empty deployment: what is deployed is not known here.
void stacks_export(struct api_request *rq)
{
    struct stack_name stack;

    if (read_stack(rq, &stack)) {
        request_answer(rq, 200,
                       STR("{\"version\":" DEPLOYMENT_VERSION
                           ",\"deployment\":{\"manifest\":{\"time\":"
                           "\"0001-01-01T00:00:00Z\",\"magic\":\"\","
                           "\"version\":\"\"}}}"));
    }
}

// Copies a query parameter; empty if there is none. False: its encoding is broken; the
// request has been answered.
static bool read_query(struct api_request *rq, const char *name,
                       struct str *out)
{
    struct buf text;
    enum err err;

    buf_init(&text, 0);
    err = http_query(rq->http, name, &text);
    *out = err == OK ? arena_copy(&rq->arena, buf_str(&text)) : STR_EMPTY;
    buf_clear(&text);
    if (err != ERR_INVALID)
        return true;
    http_fail(rq->http, 400, STR_EMPTY, "%s has an invalid percent escape",
              name);
    return false;
}

void stacks_list(struct api_request *rq)
{
    struct str org, project, tag;

    if (!read_query(rq, "organization", &org) ||
        !read_query(rq, "project", &project) ||
        !read_query(rq, "tagName", &tag))
        return;
    if (tag.n_bytes > 0) {
        named_answer_none(rq, &style); // stacks have no tags here
    } else {
        named_answer(rq, &style, org, project);
    }
}

static void note_one(void *data, const struct stack_name *name)
{
    bool *is_there = data;

    (void)name;
    *is_there = true;
}

// Says whether a project exists: it does when one of its stacks is named.
void stacks_project(struct api_request *rq)
{
    struct hook_scope scope;
    struct stack_query q = { .is_env = false };
    struct buf place, body;
    struct json_writer w = json_writer(&body);
    bool is_there = false;
    enum err err;

    if (!request_scope(rq, &scope))
        return;
    q.org = scope.org;
    q.project = scope.project;
    buf_init(&place, 0);
    buf_init(&body, 0);
    // Two names are read: the first may be an environment of the project.
    err = stack_list(rq->api->stacks, &q, 2, &place, note_one, &is_there);
    if (err != OK) {
        request_fail_store(rq, err);
    } else if (is_there) {
        json_open_object(&w, NULL);
        json_put_str(&w, "orgName", q.org);
        json_put_str(&w, "projectName", q.project);
        json_close(&w);
        request_answer(rq, 200, buf_str(&body));
    } else {
        http_fail(rq->http, 404, STR_EMPTY, "Project '%.*s/%.*s' not found",
                  STR_ARG(q.org), STR_ARG(q.project));
    }
    buf_clear(&body);
    buf_clear(&place);
}

// --- making ---

static bool is_nothing(const struct json_value *v)
{
    if (v == NULL || json_is(v, JSON_NULL))
        return true;
    if (json_is(v, JSON_BOOL))
        return !json_bool(v);
    return json_is(v, JSON_ARRAY) && json_size(v) == 0;
}

// Checks for members that ask for something that is not stored here. False: there is
// one; the request has been answered.
static bool check_unsupported(struct api_request *rq,
                              const struct json_value *body)
{
    static const struct {
        const char *member, *what;
    } wishes[] = {
        { "state", "a stack's state" },
        { "config", "a stack's configuration" },
        { "teams", "which teams have a stack" },
        { "createManagedEnvironment", "a stack's environment" },
    };

    for (size_t i = 0; i < sizeof(wishes) / sizeof(wishes[0]); i++) {
        if (is_nothing(json_get(body, wishes[i].member)))
            continue;
        http_fail(rq->http, 400, STR_EMPTY,
                  "%s must be left out: %s is not stored here",
                  wishes[i].member, wishes[i].what);
        return false;
    }
    return true;
}

// Reads the name of the new stack. False: the request has been answered.
static bool read_new(struct api_request *rq, const struct json_value *body,
                     struct stack_name *out)
{
    struct str name = json_str(json_get(body, "stackName"));

    if (!json_is(body, JSON_OBJECT)) {
        http_fail(rq->http, 400, STR_EMPTY, "the body must be a JSON object");
        return false;
    }
    if (!text_is_name(name)) {
        http_fail(rq->http, 400, STR_EMPTY,
                  "stackName must be 1 to %d of A-Z a-z 0-9 . _ -",
                  NAME_MAX_BYTES);
        return false;
    }
    out->stack = arena_copy(&rq->arena, name);
    return check_unsupported(rq, body);
}

static void fail_existing(struct api_request *rq,
                          const struct stack_name *stack)
{
    http_fail(rq->http, 409, STR_EMPTY, "Stack '%.*s/%.*s/%.*s' already exists",
              STR_ARG(stack->org), STR_ARG(stack->project),
              STR_ARG(stack->stack));
}

static void on_created(struct api_request *rq,
                       const struct catalog_result *result)
{
    const struct stack_name *stack = rq->data;

    if (result->err == ERR_EXISTS) {
        fail_existing(rq, stack);
    } else if (result->err != OK) {
        request_fail_store(rq, result->err);
    } else if (result->share != SHARE_THERE) {
        request_refuse_share(rq, CAP_STACKS, result->share, 409);
    } else {
        audit(rq, "stack created", "org=%s project=%s stack=%s",
              log_quote(stack->org), log_quote(stack->project),
              log_quote(stack->stack));
        request_answer(rq, 200, STR("{\"messages\":[]}"));
    }
}

static void begin_create(struct api_request *rq)
{
    const struct stack_name *stack = rq->data;
    struct catalog_caller caller;
    enum err err = stack_find(rq->api->stacks, stack);

    if (err == OK) {
        fail_existing(rq, stack);
    } else if (err != ERR_NOTFOUND) {
        request_fail_store(rq, err);
    } else {
        caller = change_caller(rq, on_created);
        stack_create(rq->api->hooks, stack, rq->grant.is_admin, &caller);
    }
}

void stacks_create(struct api_request *rq)
{
    struct stack_name *stack = arena_take(&rq->arena, sizeof(*stack));
    struct hook_scope scope;
    struct json *body;

    if (!request_scope(rq, &scope) || !request_json(rq, &body))
        return;
    *stack = name_of(&scope);
    rq->data = stack;
    if (operator_is_org(stack->org)) {
        http_fail(rq->http, 400, STR_EMPTY,
                  "the organization " OPERATOR_ORG
                  " is the operator's and has no stacks");
    } else if (read_new(rq, json_root(body), stack))
        request_change(rq, begin_create, CHANGE_ALONE);
    json_free(body);
}

// --- forgetting ---

static bool note_hook(void *data, const struct hook *hook)
{
    bool *has_hooks = data;

    (void)hook;
    *has_hooks = true;
    return false;
}

void stacks_fail_hooks(struct api_request *rq, const struct stack_name *name)
{
    http_fail(rq->http, 409, STR_EMPTY,
              "the %s has webhooks; delete them first",
              name->env.n_bytes > 0 ? "environment" : "stack");
}

bool stacks_may_forget(struct api_request *rq, const struct stack_name *name)
{
    bool is_env = name->env.n_bytes > 0;
    const struct hook_scope scope = stack_hook_scope(name);
    bool has_hooks = false;
    enum err err =
        hook_list(rq->api->hooks, &scope, STR_EMPTY, note_hook, &has_hooks);

    if (err == OK && has_hooks) {
        stacks_fail_hooks(rq, name);
        return false;
    }
    if (err == OK) {
        err = stack_find_in_events(rq->api->stacks, name);
        if (err == ERR_NOTFOUND)
            return true;
    }
    if (err == OK) {
        http_fail(rq->http, 409, STR_EMPTY,
                  "this %s cannot be removed because an event has named it",
                  is_env ? "environment" : "stack");
    } else {
        request_fail_store(rq, err);
    }
    return false;
}

static void on_deleted(struct api_request *rq,
                       const struct catalog_result *result)
{
    struct http_response response = { .status = 204 };
    const struct stack_name *stack = rq->data;

    if (result->err == ERR_NOTFOUND) {
        answer_no_stack(rq, stack);
    } else if (result->err == ERR_EXISTS) {
        stacks_fail_hooks(rq, stack);
    } else if (result->err != OK) {
        request_fail_store(rq, result->err);
    } else {
        audit(rq, "stack deleted", "org=%s project=%s stack=%s",
              log_quote(stack->org), log_quote(stack->project),
              log_quote(stack->stack));
        http_respond(rq->http, &response);
    }
}

static void begin_delete(struct api_request *rq)
{
    const struct stack_name *stack = rq->data;
    struct catalog_caller caller;

    if (!stacks_may_forget(rq, stack))
        return;
    caller = change_caller(rq, on_deleted);
    stack_delete(rq->api->hooks, stack, &caller);
}

void stacks_delete(struct api_request *rq)
{
    struct stack_name *stack = arena_take(&rq->arena, sizeof(*stack));

    rq->data = stack;
    if (read_stack(rq, stack))
        request_change(rq, begin_delete, CHANGE_ALONE);
}
