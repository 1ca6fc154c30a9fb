// SPDX-License-Identifier: MIT
// api_request.c — what every handler needs: reading its request, answering it.

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "api/core/api_request.h"
#include "api/json/headers_json.h"
#include "api/json/pulumi_hook_json.h"
#include "common/base/clock.h"
#include "common/base/text.h"
#include "common/log/log.h"
#include "common/model/akinon_names.h"

void request_free(struct api_request *rq)
{
    if (rq->forget != NULL)
        rq->forget(rq);
    if (rq->on_free != NULL)
        rq->on_free(rq);
    request_uncount(rq);
    arena_clear(&rq->arena);
    free(rq);
}

bool request_is_allowed(struct api_request *rq)
{
    struct auth_grant grant;

    if (rq->is_in_session != NULL)
        return rq->is_in_session(rq);
    return auth_grant_of(rq->api->auth, rq->grant.token_hash, &grant) == OK;
}

void request_answer(struct api_request *rq, unsigned status, struct str body)
{
    struct http_response response = { .status = status, .body = body };
    bool is_read = rq->http->method == METHOD_GET;

    // A read can be repeated by the client; the result of a change must be delivered.
    if (is_read && body.n_bytes > HTTP_SMALL_BYTES &&
        !http_has_room(rq->http, body.n_bytes)) {
        request_fail_room(rq);
    } else {
        http_respond(rq->http, &response);
    }
}

static void on_produced(void *data)
{
    struct api_request *rq = data;

    rq->is_producing = false;
    request_free(rq);
}

void request_answer_pieces(struct api_request *rq,
                           const struct http_response *first,
                           enum http_more (*next)(void *rq, struct buf *out))
{
    struct http_producer producer = { .next = next,
                                      .done = on_produced,
                                      .data = rq };

    rq->is_producing = http_respond_pieces(rq->http, first, &producer);
}

void request_fail_room(struct api_request *rq)
{
    http_fail(rq->http, 503, STR("Retry-After: 1\r\n"),
              "too much memory is held for clients that read slowly "
              "(max_buffered_bytes); try again later");
}

// Whether a name can be shown unchanged. It comes from a client and may be anything.
static bool is_plain(struct str name)
{
    for (size_t i = 0; i < name.n_bytes; i++) {
        if (name.at[i] <= ' ' || name.at[i] > '~' || name.at[i] == '\'')
            return false;
    }
    return name.n_bytes <= NAME_MAX_BYTES;
}

void request_fail_missing(struct api_request *rq, enum param param)
{
    static const char *const what[PARAMS] = {
        [PARAM_HOOK] = "Webhook",     [PARAM_EVENT] = "Event",
        [PARAM_TOKEN] = "Token",      [PARAM_REPLAY] = "Replay",
        [PARAM_ATTEMPT] = "Attempt",  [PARAM_ERASURE] = "Erasure",
        [PARAM_ORG] = "Organization", [PARAM_KIND] = "Kind"
    };
    struct str name = rq->match.params[param];

    assert(what[param] != NULL);
    if (is_plain(name)) {
        http_fail(rq->http, 404, STR_EMPTY, "%s '%.*s' not found", what[param],
                  STR_ARG(name));
    } else {
        http_fail(rq->http, 404, STR_EMPTY, "%s not found", what[param]);
    }
}

void request_fail_store(struct api_request *rq, enum err err)
{
    if (err == ERR_FULL) {
        http_fail(rq->http, 503, STR("Retry-After: 5\r\n"),
                  "there is no room to store this; try again later");
        return;
    }
    if (err == ERR_BUSY) {
        http_fail(rq->http, 409, STR_EMPTY,
                  "the organization is being erased; GET /api/erasures tells "
                  "how far that is");
        return;
    }
    if (err == ERR_LOST) {
        http_fail(
            rq->http, 503, STR("Retry-After: 5\r\n"),
            "files of the queue were removed or replaced while the engine was "
            "running, and nothing can be stored; try again once they are back");
        return;
    }
    log_warn("a request cannot be answered because the storage failed",
             "reason=%s", log_quote(str_of(err_str(err))));
    http_fail(rq->http, 500, STR_EMPTY, "storage failed: %s", err_str(err));
}

static bool check_name(struct api_request *rq, enum param param,
                       const char *what)
{
    if (text_is_name(rq->match.params[param]))
        return true;
    if (param == PARAM_ORG &&
        str_is(rq->match.params[param], API_ADMIN_LOGIN)) {
        http_fail(rq->http, 400, STR_EMPTY,
                  API_ADMIN_LOGIN
                  " is the user name of the admin token and not an "
                  "organization; name an organization, or set "
                  "default_organization, which clients then use");
        return false;
    }
    http_fail(rq->http, 400, STR_EMPTY,
              "the %s's name must be 1 to %d of A-Z a-z 0-9 . _ -", what,
              NAME_MAX_BYTES);
    return false;
}

static bool check_id(struct api_request *rq, enum param param, const char *what)
{
    struct str *id = &rq->match.params[param];
    char lower[AKINON_ID_BYTES];

    if (!akinon_is_id(*id)) {
        http_fail(rq->http, 400, STR_EMPTY, "%s must be 24 hexadecimal digits",
                  what);
        return false;
    }
    akinon_lower_id(*id, lower);
    *id = arena_copy(&rq->arena, (struct str){ lower, sizeof(lower) });
    return true;
}

static bool akinon_scope(struct api_request *rq, struct hook_scope *out)
{
    struct str *params = rq->match.params;

    if (params[PARAM_PROJECT].n_bytes == 0)
        return request_org(rq, out);
    if (!check_id(rq, PARAM_ORG, "organizationId") ||
        !check_id(rq, PARAM_PROJECT, "projectId") ||
        (params[PARAM_HOOK].n_bytes > 0 &&
         !check_id(rq, PARAM_HOOK, "webhookId")))
        return false;
    *out = (struct hook_scope){ .dialect = DIALECT_AKINON,
                                .level = LEVEL_PROJECT,
                                .org = params[PARAM_ORG],
                                .project = params[PARAM_PROJECT] };
    return true;
}

bool request_scope(struct api_request *rq, struct hook_scope *out)
{
    const struct str *params = rq->match.params;
    struct hook_scope scope = { .dialect = DIALECT_PULUMI,
                                .level = LEVEL_ORGANIZATION,
                                .org = params[PARAM_ORG],
                                .project = params[PARAM_PROJECT] };

    if (rq->match.route->is_akinon)
        return akinon_scope(rq, out);
    if (!check_name(rq, PARAM_ORG, "organization"))
        return false;
    if (scope.project.n_bytes > 0 && !check_name(rq, PARAM_PROJECT, "project"))
        return false;
    if (params[PARAM_STACK].n_bytes > 0) {
        scope.level = LEVEL_STACK;
        scope.target = params[PARAM_STACK];
        if (!check_name(rq, PARAM_STACK, "stack"))
            return false;
    }
    if (params[PARAM_ENV].n_bytes > 0) {
        scope.level = LEVEL_ENVIRONMENT;
        scope.target = params[PARAM_ENV];
        if (!check_name(rq, PARAM_ENV, "environment"))
            return false;
        if (scope.project.n_bytes == 0) // the deprecated path has no project
            scope.project = STR("default");
    }
    *out = scope;
    return true;
}

bool request_org(struct api_request *rq, struct hook_scope *out)
{
    bool is_akinon = rq->match.route->is_akinon;

    if (is_akinon ? !check_id(rq, PARAM_ORG, "organizationId")
                  : !check_name(rq, PARAM_ORG, "organization"))
        return false;
    *out = (struct hook_scope){ .dialect =
                                    is_akinon ? DIALECT_AKINON : DIALECT_PULUMI,
                                .org = rq->match.params[PARAM_ORG] };
    return true;
}

const struct hook_dialect *request_dialect(const struct api_request *rq)
{
    return rq->match.route->is_akinon ? &akinon_dialect : &pulumi_dialect;
}

// --- what a request holds ---

static uint64_t number_of_token(const struct api_request *rq)
{
    struct str org = { rq->grant.org, rq->grant.n_org_bytes };
    uint64_t no = 0;

    if (org_number(rq->api->hooks, token_dialect(org), org, &no) != OK)
        log_warn("the number of an organization cannot be read", "");
    return no;
}

uint64_t request_holder(struct api_request *rq)
{
    if (!rq->is_holder_known) {
        rq->holder_no = rq->grant.is_admin ? SHARE_ADMIN : number_of_token(rq);
        rq->is_holder_known = true;
    }
    return rq->holder_no;
}

void request_refuse_share(struct api_request *rq, enum cap_kind kind,
                          enum share share, unsigned status)
{
    struct buf why;

    buf_init(&why, 0);
    cap_put_why(rq->api->config, kind, share, &why);
    http_fail(rq->http, status,
              status == 429 ? STR("Retry-After: 1\r\n") : STR_EMPTY, "%s",
              buf_cstr(&why));
    buf_clear(&why);
}

bool request_may_hold(struct api_request *rq, enum cap_kind kind)
{
    struct share_limit limit = cap_limit(rq->api->config, kind);
    enum share share = shares_check(&rq->api->shares[kind], &limit,
                                    request_holder(rq), rq->grant.is_admin, 1);

    if (share == SHARE_THERE)
        return true;
    request_refuse_share(rq, kind, share, 429);
    return false;
}

bool request_count(struct api_request *rq)
{
    if (!request_may_hold(rq, CAP_QUERIES))
        return false;
    request_recount(rq);
    return true;
}

void request_recount(struct api_request *rq)
{
    assert(!rq->is_counted);
    shares_add(&rq->api->shares[CAP_QUERIES], request_holder(rq), 1);
    rq->is_counted = true;
}

void request_uncount(struct api_request *rq)
{
    if (rq->is_counted)
        shares_remove(&rq->api->shares[CAP_QUERIES], request_holder(rq), 1);
    rq->is_counted = false;
}

bool request_json(struct api_request *rq, struct json **out)
{
    const struct json_limits limits = config_json_limits(rq->api->config);
    struct str body = rq->http->body;
    struct buf why;
    bool is_good;

    if (body.n_bytes == 0) {
        http_fail(rq->http, 400, STR_EMPTY,
                  "the body is empty; it must be a JSON object");
        return false;
    }
    buf_init(&why, 1024);
    is_good = json_parse(body, &limits, out, &why) == OK;
    if (!is_good) {
        http_fail(rq->http, 400, STR_EMPTY, "the body is not JSON: %s",
                  buf_cstr(&why));
    }
    buf_clear(&why);
    return is_good;
}

// --- waiting ---

// The client has disconnected: nobody will read the answer.
static void on_gone(struct http_request *r)
{
    struct api_request *rq = r->data;

    r->data = NULL;
    if (rq != NULL)
        request_free(rq);
    http_fail(r, 503, STR_EMPTY, "the client has gone");
}

void request_watch(struct api_request *rq)
{
    http_watch(rq->http, on_gone);
}

// --- hooks and organizations ---

bool request_hook_no(struct api_request *rq, struct hook_scope *scope,
                     uint64_t *hook_id)
{
    struct str name = rq->match.params[PARAM_HOOK];
    enum err err = ERR_NOTFOUND;

    if (!request_scope(rq, scope))
        return false;
    if (hook_name_is_valid(name))
        err = hook_get(rq->api->hooks, scope, name, hook_visit_no, hook_id);
    if (err == ERR_NOTFOUND) {
        request_fail_missing(rq, PARAM_HOOK);
    } else if (err != OK) {
        request_fail_store(rq, err);
    }
    return err == OK;
}

bool request_org_no(struct api_request *rq, const struct hook_scope *scope,
                    uint64_t *org_id)
{
    enum err err =
        org_number(rq->api->hooks, scope->dialect, scope->org, org_id);

    if (err != OK)
        request_fail_store(rq, err);
    return err == OK;
}

bool request_owner(struct api_request *rq, struct hook_scope *scope,
                   uint64_t *owner_no)
{
    if (rq->match.params[PARAM_HOOK].n_bytes > 0)
        return request_hook_no(rq, scope, owner_no);
    if (!request_scope(rq, scope))
        return false;
    return request_org_no(rq, scope, owner_no);
}

unsigned request_shards(const struct api_request *rq, uint64_t owner_no,
                        unsigned *n)
{
    bool is_org = rq->match.params[PARAM_HOOK].n_bytes == 0;

    *n = is_org ? rq->api->n_shards : 1;
    return is_org ? 0 : queue_shard_of(owner_no, rq->api->n_shards);
}

static bool put_hook_name(void *data, const struct hook *hook)
{
    bool is_env = hook->scope.level == LEVEL_ENVIRONMENT;

    json_put_given(data, "hookName", hook->name);
    json_put_given(data, "projectName", hook->scope.project);
    json_put_given(data, is_env ? "envName" : "stackName", hook->scope.target);
    return false;
}

void request_put_hook(const struct api *api, uint64_t hook_id,
                      struct json_writer *w)
{
    if (hook_get_by_no(api->hooks, hook_id, put_hook_name, w) != OK)
        json_put_null(w, "hookName");
}

static void put_failing(void *data, uint64_t hook_id,
                        const struct hook_health *health)
{
    struct json_writer *w = data;
    struct buf reason;

    (void)hook_id;
    if (health->cause == FAILING_NOT)
        return;
    buf_init(&reason, 0);
    hook_health_put_reason(health, &reason);
    json_open_object(w, "failing");
    json_put_str(w, "reason", buf_str(&reason));
    clock_put_rfc3339(json_open_text(w, "since"), health->failing_since_ms);
    json_close_text(w);
    json_close(w);
    buf_clear(&reason);
}

struct hook_showing request_showing(const struct api_request *rq)
{
    bool may_see_all =
        rq->grant.is_admin || (rq->grant.scopes & 1U << AUTH_WRITE) != 0;

    return (struct hook_showing){ .is_masked = !may_see_all,
                                  .ciphertext_key = rq->api->ciphertext_key,
                                  .origin =
                                      str_of(rq->api->config->webhook_origin) };
}

static void warn_of_health(enum err err)
{
    if (err != OK && err != ERR_NOTFOUND) {
        log_warn("the health record of a hook cannot be read", "reason=%s",
                 log_quote(str_of(err_str(err))));
    }
}

static struct shard_view *shard_of(const struct api_request *rq,
                                   uint64_t hook_id)
{
    return rq->api->shards[queue_shard_of(hook_id, rq->api->n_shards)];
}

void request_put_state(struct api_request *rq, const struct hook *hook,
                       struct json_writer *w)
{
    struct hook_backlog waits;

    if (!hook->active)
        return;
    if ((hook->paused || hook_awaits_handshake(
                             hook, str_of(rq->api->config->webhook_origin))) &&
        backlog_of_hook(rq->api->backlogs, hook->no, &waits))
        json_put_u64(w, "waiting", waits.n_rows);
    warn_of_health(
        shard_view_health(shard_of(rq, hook->no), hook->no, put_failing, w));
}

struct resting {
    struct str origin;
    bool rests;
};

static bool take_resting(void *data, const struct hook *hook)
{
    struct resting *r = data;

    r->rests = hook->active &&
               (hook->paused || hook_awaits_handshake(hook, r->origin));
    return false;
}

bool request_hook_rests(const struct api *api, uint64_t hook_id)
{
    struct resting r = { .origin = str_of(api->config->webhook_origin) };

    return hook_get_by_no(api->hooks, hook_id, take_resting, &r) == OK &&
           r.rests;
}

static void take_failing(void *data, uint64_t hook_id,
                         const struct hook_health *health)
{
    (void)hook_id;
    *(bool *)data = health->cause != FAILING_NOT;
}

bool request_hook_is_failing(struct api_request *rq, const struct hook *hook)
{
    bool is_failing = false;

    if (hook->active) {
        warn_of_health(shard_view_health(shard_of(rq, hook->no), hook->no,
                                         take_failing, &is_failing));
    }
    return is_failing;
}

void request_put_dead(struct api_request *rq, uint64_t hook_id,
                      struct json_writer *w)
{
    size_t n = 0;
    enum err err =
        shard_view_dead(shard_of(rq, hook_id), hook_id, DEAD_SHOWN_MAX, &n);

    if (err != OK) {
        log_warn("the dead letters of a hook cannot be counted", "reason=%s",
                 log_quote(str_of(err_str(err))));
    }
    json_put_u64(w, "dead", n);
    json_put_bool(w, "moreDead", n == DEAD_SHOWN_MAX);
}

void request_put_sent_headers(const struct api *api,
                              const struct attempt *attempt,
                              struct buf *headers)
{
    if (headers_are_sealed(attempt->request_headers)) {
        enum err err =
            headers_open(api->hooks, attempt->hook_id, attempt->position,
                         attempt->request_headers, headers);

        if (err != OK) {
            log_warn("the stored headers of a request cannot be decrypted",
                     "%s reason=%s", hook_log_no(attempt->hook_id),
                     log_quote(str_of(err_str(err))));
        }
    } else {
        headers_mask_text(attempt->request_headers, headers);
    }
}

void request_print_hook(struct api_request *rq, const struct hook *hook,
                        struct json_writer *w)
{
    struct hook_showing to = request_showing(rq);

    json_open_object(w, NULL);
    request_dialect(rq)->print(&to, hook, w);
    request_put_state(rq, hook, w);
    json_close(w);
}
