// call.c — what every handler needs: reading its call, answering it.

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "api/core/call.h"
#include "api/json/pulumi_hook_json.h"
#include "common/base/clock.h"
#include "common/base/text.h"
#include "common/log/log.h"
#include "common/model/akinon_names.h"

void call_free(struct call *c)
{
    if (c->forget != NULL)
        c->forget(c);
    if (c->on_free != NULL)
        c->on_free(c);
    arena_clear(&c->arena);
    free(c);
}

void call_answer(struct call *c, unsigned status, struct str body)
{
    struct http_response response = { .status = status, .body = body };
    bool is_read = c->request->method == METHOD_GET;

    // What only reads can be asked again; what a change came to must be told.
    if (is_read && body.n_bytes > HTTP_SMALL_BYTES &&
        !http_has_room(c->request, body.n_bytes)) {
        call_fail_room(c);
    } else {
        http_respond(c->request, &response);
    }
}

static void on_produced(void *data)
{
    struct call *c = data;

    c->is_producing = false;
    call_free(c);
}

void call_answer_pieces(struct call *c, const struct http_response *first,
                        enum http_more (*next)(void *call, struct buf *out))
{
    struct http_producer producer = { .next = next,
                                      .done = on_produced,
                                      .data = c };

    c->is_producing = http_respond_pieces(c->request, first, &producer);
}

void call_fail_room(struct call *c)
{
    http_fail(c->request, 503, STR("Retry-After: 1\r\n"),
              "too much is held for clients that read slowly "
              "(max_buffered_bytes); try again");
}

// Can it be shown as it is? The name is a client's and may be anything.
static bool is_plain(struct str name)
{
    for (size_t i = 0; i < name.n_bytes; i++) {
        if (name.at[i] <= ' ' || name.at[i] > '~' || name.at[i] == '\'')
            return false;
    }
    return name.n_bytes <= NAME_MAX_BYTES;
}

void call_fail_missing(struct call *c, enum param param)
{
    static const char *const what[PARAMS] = { [PARAM_HOOK] = "Webhook",
                                              [PARAM_EVENT] = "Event",
                                              [PARAM_TOKEN] = "Token",
                                              [PARAM_REPLAY] = "Replay" };
    struct str name = c->match.params[param];

    assert(what[param] != NULL);
    if (is_plain(name)) {
        http_fail(c->request, 404, STR_EMPTY, "%s '%.*s' not found",
                  what[param], STR_ARG(name));
    } else {
        http_fail(c->request, 404, STR_EMPTY, "%s not found", what[param]);
    }
}

void call_fail_store(struct call *c, enum err err)
{
    if (err == ERR_FULL) {
        http_fail(c->request, 503, STR("Retry-After: 5\r\n"),
                  "there is no room to store this; try again later");
        return;
    }
    if (err == ERR_LOST) {
        http_fail(
            c->request, 503, STR("Retry-After: 5\r\n"),
            "files of the queue were removed or replaced while the engine "
            "runs, and nothing can be stored; try again once they are "
            "back");
        return;
    }
    log_warn("storage failed", "reason=%s", log_quote(str_of(err_str(err))));
    http_fail(c->request, 500, STR_EMPTY, "storage failed: %s", err_str(err));
}

static bool judge_name(struct call *c, enum param param, const char *what)
{
    if (text_is_name(c->match.params[param]))
        return true;
    if (param == PARAM_ORG &&
        str_is(c->match.params[param], CALL_ADMIN_LOGIN)) {
        http_fail(c->request, 400, STR_EMPTY,
                  CALL_ADMIN_LOGIN
                  " is what the admin token goes by, and no organization: name "
                  "one, or set default_organization, which clients take "
                  "otherwise");
        return false;
    }
    http_fail(c->request, 400, STR_EMPTY,
              "the %s's name must be 1 to %d of A-Z a-z 0-9 . _ -", what,
              NAME_MAX_BYTES);
    return false;
}

static bool judge_id(struct call *c, enum param param, const char *what)
{
    struct str *id = &c->match.params[param];
    char lower[AKINON_ID_BYTES];

    if (!akinon_is_id(*id)) {
        http_fail(c->request, 400, STR_EMPTY,
                  "%s must be 24 hexadecimal digits", what);
        return false;
    }
    akinon_lower_id(*id, lower);
    *id = arena_copy(&c->arena, (struct str){ lower, sizeof(lower) });
    return true;
}

static bool akinon_scope(struct call *c, struct hook_scope *out)
{
    struct str *params = c->match.params;

    if (!judge_id(c, PARAM_ORG, "organizationId") ||
        !judge_id(c, PARAM_PROJECT, "projectId") ||
        (params[PARAM_HOOK].n_bytes > 0 &&
         !judge_id(c, PARAM_HOOK, "webhookId")))
        return false;
    *out = (struct hook_scope){ .family = FAMILY_AKINON,
                                .level = LEVEL_PROJECT,
                                .org = params[PARAM_ORG],
                                .project = params[PARAM_PROJECT] };
    return true;
}

bool call_scope(struct call *c, struct hook_scope *out)
{
    const struct str *params = c->match.params;
    struct hook_scope scope = { .family = FAMILY_PULUMI,
                                .level = LEVEL_ORGANIZATION,
                                .org = params[PARAM_ORG],
                                .project = params[PARAM_PROJECT] };

    if (c->match.route->is_akinon)
        return akinon_scope(c, out);
    if (!judge_name(c, PARAM_ORG, "organization"))
        return false;
    if (scope.project.n_bytes > 0 && !judge_name(c, PARAM_PROJECT, "project"))
        return false;
    if (params[PARAM_STACK].n_bytes > 0) {
        scope.level = LEVEL_STACK;
        scope.target = params[PARAM_STACK];
        if (!judge_name(c, PARAM_STACK, "stack"))
            return false;
    }
    if (params[PARAM_ENV].n_bytes > 0) {
        scope.level = LEVEL_ENVIRONMENT;
        scope.target = params[PARAM_ENV];
        if (!judge_name(c, PARAM_ENV, "environment"))
            return false;
        if (scope.project.n_bytes == 0) // the deprecated path has none
            scope.project = STR("default");
    }
    *out = scope;
    return true;
}

bool call_org(struct call *c, struct hook_scope *out)
{
    bool is_akinon = c->match.route->is_akinon;

    if (is_akinon ? !judge_id(c, PARAM_ORG, "organizationId")
                  : !judge_name(c, PARAM_ORG, "organization"))
        return false;
    *out = (struct hook_scope){ .family =
                                    is_akinon ? FAMILY_AKINON : FAMILY_PULUMI,
                                .org = c->match.params[PARAM_ORG] };
    return true;
}

const struct hook_dialect *call_dialect(const struct call *c)
{
    return c->match.route->is_akinon ? &akinon_dialect : &pulumi_dialect;
}

// --- what it holds ---

static uint64_t number_of_token(const struct call *c)
{
    struct str org = { c->grant.org, c->grant.n_org_bytes };
    uint64_t no = 0;

    if (org_number(c->api->hooks, token_family(org), org, &no) != OK)
        log_warn("organization not readable", "");
    return no;
}

uint64_t call_holder(struct call *c)
{
    if (!c->is_holder_known) {
        c->holder_no = c->grant.is_admin ? SHARE_ADMIN : number_of_token(c);
        c->is_holder_known = true;
    }
    return c->holder_no;
}

void call_refuse_share(struct call *c, enum cap_kind kind, enum share share,
                       unsigned status)
{
    struct buf why;

    buf_init(&why, 0);
    cap_put_why(c->api->config, kind, share, &why);
    http_fail(c->request, status,
              status == 429 ? STR("Retry-After: 1\r\n") : STR_EMPTY, "%s",
              buf_cstr(&why));
    buf_clear(&why);
}

bool call_may_hold(struct call *c, enum cap_kind kind)
{
    struct share_limit limit = cap_limit(c->api->config, kind);
    enum share share = shares_judge(&c->api->shares[kind], &limit,
                                    call_holder(c), c->grant.is_admin, 1);

    if (share == SHARE_THERE)
        return true;
    call_refuse_share(c, kind, share, 429);
    return false;
}

bool call_json(struct call *c, struct json **out)
{
    const struct json_limits limits = config_json_limits(c->api->config);
    struct str body = c->request->body;
    struct buf why;
    bool is_good;

    if (body.n_bytes == 0) {
        http_fail(c->request, 400, STR_EMPTY,
                  "the body is empty; it must be a JSON object");
        return false;
    }
    buf_init(&why, 1024);
    is_good = json_parse(body, &limits, out, &why) == OK;
    if (!is_good) {
        http_fail(c->request, 400, STR_EMPTY, "the body is not JSON: %s",
                  buf_cstr(&why));
    }
    buf_clear(&why);
    return is_good;
}

// --- waiting ---

// Nobody reads its answer any more.
static void on_gone(struct http_request *r)
{
    struct call *c = r->data;

    r->data = NULL;
    if (c != NULL)
        call_free(c);
    http_fail(r, 503, STR_EMPTY, "the client has gone");
}

void call_watch(struct call *c)
{
    http_watch(c->request, on_gone);
}

// --- hooks and organizations ---

static bool take_hook_no(void *data, const struct hook *hook)
{
    uint64_t *hook_no = data;

    *hook_no = hook->no;
    return false;
}

bool call_hook_no(struct call *c, struct hook_scope *scope, uint64_t *hook_no)
{
    struct str name = c->match.params[PARAM_HOOK];
    enum err err = ERR_NOTFOUND;

    if (!call_scope(c, scope))
        return false;
    if (hook_name_is_valid(name))
        err = hook_get(c->api->hooks, scope, name, take_hook_no, hook_no);
    if (err == ERR_NOTFOUND) {
        call_fail_missing(c, PARAM_HOOK);
    } else if (err != OK) {
        call_fail_store(c, err);
    }
    return err == OK;
}

bool call_org_no(struct call *c, const struct hook_scope *scope,
                 uint64_t *org_no)
{
    enum err err = org_number(c->api->hooks, scope->family, scope->org, org_no);

    if (err != OK)
        call_fail_store(c, err);
    return err == OK;
}

bool call_owner(struct call *c, struct hook_scope *scope, uint64_t *owner_no)
{
    if (c->match.params[PARAM_HOOK].n_bytes > 0)
        return call_hook_no(c, scope, owner_no);
    if (!call_scope(c, scope))
        return false;
    return call_org_no(c, scope, owner_no);
}

unsigned call_shards(const struct call *c, uint64_t owner_no, unsigned *n)
{
    bool is_org = c->match.params[PARAM_HOOK].n_bytes == 0;

    *n = is_org ? c->api->n_shards : 1;
    return is_org ? 0 : queue_shard_of(owner_no, c->api->n_shards);
}

static void put_member(struct buf *out, const char *key, struct str text)
{
    if (text.n_bytes == 0)
        return;
    buf_printf(out, "\"%s\":", key);
    buf_put_json(out, text);
    buf_putc(out, ',');
}

static bool put_hook_name(void *data, const struct hook *hook)
{
    struct buf *out = data;
    bool is_env = hook->scope.level == LEVEL_ENVIRONMENT;

    put_member(out, "hookName", hook->name);
    put_member(out, "projectName", hook->scope.project);
    put_member(out, is_env ? "envName" : "stackName", hook->scope.target);
    return false;
}

void call_put_hook(const struct api *api, uint64_t hook_no, struct buf *out)
{
    if (hook_get_by_no(api->hooks, hook_no, put_hook_name, out) != OK)
        buf_puts(out, "\"hookName\":null,");
}

static void put_failing(void *data, uint64_t hook_no,
                        const struct hook_health *health)
{
    struct buf *out = data;
    struct buf reason;

    (void)hook_no;
    if (health->cause == FAILING_NOT)
        return;
    buf_init(&reason, 0);
    hook_health_put_reason(health, &reason);
    buf_puts(out, ",\"failing\":{\"reason\":");
    buf_put_json(out, buf_str(&reason));
    buf_puts(out, ",\"since\":\"");
    clock_put_rfc3339(out, health->failing_since_ms);
    buf_puts(out, "\"}");
    buf_clear(&reason);
}

struct hook_showing call_showing(const struct call *c)
{
    bool may_see_all =
        c->grant.is_admin || (c->grant.scopes & 1U << AUTH_WRITE) != 0;

    return (struct hook_showing){ .is_masked = !may_see_all,
                                  .ciphertext_key = c->api->ciphertext_key };
}

void call_print_hook(struct call *c, const struct hook *hook, struct buf *out)
{
    unsigned shard = queue_shard_of(hook->no, c->api->n_shards);
    struct hook_showing to = call_showing(c);
    struct hook_backlog waits;
    enum err err;

    call_dialect(c)->print(&to, hook, out);
    if (!hook->active)
        return;
    assert(out->at[out->n_bytes - 1] == '}');
    out->n_bytes--; // the object goes on
    if (hook->paused && backlog_of_hook(c->api->backlogs, hook->no, &waits))
        buf_printf(out, ",\"waiting\":%" PRIu64, waits.n_rows);
    err = shard_view_health(c->api->shards[shard], hook->no, put_failing, out);
    if (err != OK && err != ERR_NOTFOUND) {
        log_warn("health of a hook not read", "reason=%s",
                 log_quote(str_of(err_str(err))));
    }
    buf_putc(out, '}');
}
