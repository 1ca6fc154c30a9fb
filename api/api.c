// SPDX-License-Identifier: MIT
// api.c — the process that serves hooks, history, health and metrics.
//
// Happy path: the header of a request is checked (name, token, route, type), its body
// is read, the route's handler answers. A change of a hook is committed first, then the
// dispatchers are told.
//
// If it fails: the answer says what is wrong. If storage cannot be opened at the start,
// the process ends, and is started again.

#include "api/api.h"
#include "api/core/host.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/core/api_request.h"
#include "api/dashboard/handlers.h"
#include "api/dashboard/session.h"
#include "api/deliveries/handlers.h"
#include "api/hooks/hook_counts.h"
#include "api/hooks/hook_reports.h"
#include "api/hooks/org_signing.h"
#include "api/hooks/secret_expiry.h"
#include "api/routes.h"
#include "api/system/handlers.h"
#include "api/tenants/erasing.h"
#include "api/tenants/payload_erasing.h"
#include "common/base/mem.h"
#include "common/config/caps.h"
#include "common/files/data_dir.h"
#include "common/log/log.h"
#include "common/model/akinon_names.h"
#include "queue/queue.h"

// The largest hook that an import can post has 32 headers of 4 KiB, two PEM files of
// 16 KiB, and its other fields.
#define BODY_MAX_BYTES ((size_t)256 * 1024)
#define CODE_MAX_BYTES \
    ((size_t)4 * 1024) // of a body that comes without a token

// --- checking the header ---

static void answer_options(struct api_request *rq)
{
    struct http_response response = { .status = 204 };
    struct buf allow;

    buf_init(&allow, 0);
    route_put_allow(rq->match.methods, &allow);
    response.headers = buf_str(&allow);
    http_respond(rq->http, &response);
    buf_clear(&allow);
}

static void answer_method(struct api_request *rq)
{
    struct buf allow;

    buf_init(&allow, 0);
    route_put_allow(rq->match.methods, &allow);
    http_fail(rq->http, 405, buf_str(&allow), "this path has no %s",
              log_quote(rq->http->method_name));
    buf_clear(&allow);
}

// Whether a route was found. False: the request has been answered.
static bool check_route(struct api_request *rq, enum err found)
{
    if (found == OK)
        return true;
    if (found == ERR_INVALID) {
        http_fail(rq->http, 400, STR_EMPTY,
                  "the path has an invalid percent escape");
    } else if (found == ERR_NOTFOUND) {
        http_fail(rq->http, 404, STR_EMPTY, "there is no such path");
    } else if (rq->http->method == METHOD_OPTIONS) {
        answer_options(rq);
    } else {
        answer_method(rq);
    }
    return false;
}

// Checks the content type. False: the request has been answered. A missing body passes;
// the handler reports it.
static bool check_type(struct api_request *rq)
{
    struct http_request *r = rq->http;
    bool has_body =
        r->announced_bytes > 0 || http_has_header(r, "transfer-encoding");

    assert(rq->match.route != NULL); // check_route() said so
    if (!rq->match.route->takes_json || !has_body)
        return true;
    if (http_has_header(r, "content-encoding")) {
        http_fail(r, 415, STR_EMPTY,
                  "Content-Encoding is not supported; send the body as it is");
        return false;
    }
    if (http_is_type(r, "application/json"))
        return true;
    http_fail(r, 415, STR_EMPTY, "Content-Type must be application/json");
    return false;
}

// Checks the name in Host. False: the request has been answered. Health probes may use
// any name.
static bool check_host(struct api_request *rq)
{
    struct str host = http_header(rq->http, "host");
    const struct route *route = rq->match.route;

    if ((route != NULL && route->is_for_any_host) ||
        host_is_ours(rq->api->config, str_of(rq->api->own_name), host))
        return true;
    http_fail(
        rq->http, 421, STR_EMPTY,
        "%s is not a name of this server; the setting api_hosts can add it",
        log_quote(host));
    return false;
}

static bool is_for_metrics(const struct route *route)
{
    return route != NULL && route->handler == operations_metrics;
}

// Checks the token, or the session that a cookie names instead. False: the request has
// been answered. With metrics_token_file, /metrics requires that token or the admin token.
static bool check_token(struct api_request *rq, enum auth_scope scope)
{
    const struct route *route = rq->match.route;
    const struct api *api = rq->api;

    http_charge(rq->http, STR_EMPTY, false);
    if (route != NULL && route->is_public &&
        (!is_for_metrics(route) || api->config->metrics_token_file[0] == '\0' ||
         (api->has_metrics_token && auth_bears(rq->http, api->metrics_hash))))
        return true;
    if (route != NULL && route->takes_code)
        return session_check_login(rq);
    if (session_is_given(rq) && !is_for_metrics(route))
        return session_check(rq, scope);
    return auth_check(api->auth, rq->http, rq->match.params[PARAM_ORG], scope,
                      &rq->grant);
}

// A login with the code of a link has none before its body is read.
static bool has_grant(const struct api_request *rq)
{
    return rq->grant.is_admin || rq->grant.scopes != 0;
}

// False: the token's organization has too many requests in progress; the request has
// been answered.
static bool check_load(struct api_request *rq)
{
    const struct config *config = rq->api->config;
    struct share_limit limit = cap_limit(config, CAP_REQUESTS);
    enum share share = SHARE_THERE;

    if (rq->match.route != NULL && !rq->match.route->is_public && has_grant(rq))
        share = http_hold(rq->http, request_holder(rq), &limit);
    if (share != SHARE_THERE)
        request_refuse_share(rq, CAP_REQUESTS, share, 429);
    return share == SHARE_THERE;
}

// Finds the route of the request. Without the dashboard there are no paths of it.
static enum err find_route(struct api_request *rq)
{
    enum err found =
        route_find(rq->http->method, rq->http->path, &rq->arena, &rq->match);

    if (!rq->match.is_dashboard || rq->api->config->dashboard)
        return found;
    memset(&rq->match, 0, sizeof(rq->match));
    return ERR_NOTFOUND;
}

static size_t event_body_max(const struct api *api)
{
    return api->config->max_event_bytes > BODY_MAX_BYTES
               ? (size_t)api->config->max_event_bytes
               : BODY_MAX_BYTES;
}

// Whether a browser that opened "/" was led to the dashboard.
static bool is_welcomed(struct api_request *rq)
{
    return rq->api->config->dashboard && dashboard_welcome(rq);
}

static void on_headers(void *data, struct http_request *r)
{
    struct api_request *rq = xcalloc(1, sizeof(*rq));
    enum auth_scope scope = AUTH_ANY;
    struct str path;
    enum err found;

    rq->api = data;
    rq->http = r;
    r->body_limit_bytes = BODY_MAX_BYTES;
    path = r->path;
    r->has_node_errors = akinon_take_path(&path);
    found = find_route(rq);
    if (rq->match.route != NULL) {
        if (rq->match.route->takes_event)
            r->body_limit_bytes = event_body_max(rq->api);
        if (rq->match.route->takes_code)
            r->body_limit_bytes = CODE_MAX_BYTES;
        scope = rq->match.route->scope;
    }
    // The name is checked first, with or without a token. The token is checked before
    // the route: without a token a client learns nothing about paths.
    if (check_host(rq) && !is_welcomed(rq) && check_token(rq, scope) &&
        check_load(rq) && check_route(rq, found) && erasing_admits(rq) &&
        check_type(rq)) {
        r->data = rq;
    } else {
        request_free(rq);
    }
}

static void on_request(void *data, struct http_request *r)
{
    struct api_request *rq = r->data;

    (void)data;
    if (rq->match.route->is_long && !http_has_room(r, HTTP_LONG_BYTES)) {
        request_fail_room(rq);
    } else {
        rq->match.route->handler(rq);
    }
    if (rq->pending == NULL && rq->tail == NULL && !rq->is_producing &&
        !rq->is_working && rq->change == CHANGE_NONE) {
        r->data = NULL;
        request_free(rq);
    }
}

static void on_dropped(void *data, struct http_request *r)
{
    (void)data;
    if (r->data != NULL)
        request_free(r->data);
}

// --- the process ---

// Handles every frame that dispatchers send, by its type.
static void on_frame(void *data, struct str frame)
{
    struct link *link = data;
    struct api *api = link->api;
    unsigned shard = (unsigned)(link - api->dispatchers);

    if (!backlog_take(api->backlogs, shard, frame) &&
        !dispatcher_client_on_frame(link, frame))
        hook_reports_on_frame(api, frame);
}

static void on_link_closed(void *data)
{
    struct link *link = data;

    link->channel = NULL;
    dispatcher_client_on_closed(link);
}

static void on_link(void *data, enum role_kind kind, unsigned index, int fd)
{
    struct api *api = data;
    struct link *link;

    if (kind != ROLE_DISPATCHER || index >= QUEUE_SHARDS_MAX) {
        close(fd);
        return;
    }
    link = &api->dispatchers[index];
    if (link->channel != NULL) {
        channel_close(link->channel);
        dispatcher_client_on_closed(link);
    }
    link->api = api;
    backlog_forget(api->backlogs, index);
    link->channel = role_open_channel(
        api->role, ROLE_DISPATCHER, fd,
        &(struct channel_handlers){
            .on_frame = on_frame, .on_closed = on_link_closed, .data = link });
}

static void on_server_drained(void *data)
{
    struct api *api = data;

    dashboard_keep_now(api->dashboard, api->config->data_dir);
    role_done(api->role);
}

static void on_drain(void *data)
{
    struct api *api = data;

    http_server_drain(api->server, on_server_drained, api);
}

// A metrics token that cannot be read does not open /metrics to everybody: the admin
// token is required then. After a failed reload the previous token stays, as the
// previous admin token does.
static void read_metrics_token(struct api *api)
{
    const char *path = api->config->metrics_token_file;
    uint8_t hash[SHA256_BYTES];

    if (path[0] == '\0') {
        api->has_metrics_token = false;
    } else if (auth_read_token(path, hash) == OK) {
        memcpy(api->metrics_hash, hash, sizeof(hash));
        api->has_metrics_token = true;
    }
}

static void on_reload(void *data)
{
    struct api *api = data;

    api->config = role_config(api->role);
    auth_reload(api->auth);
    read_metrics_token(api);
    if (!api->config->dashboard)
        dashboard_forget(api->dashboard);
}

static void on_second(void *data)
{
    struct api *api = data;

    queue_upkeep();
    queue_trim_memory();
    dispatcher_client_on_second(api);
    expire_on_second(api);
    org_signing_on_second(api);
    erasing_on_second(api);
    payload_erasing_on_second(api);
    dashboard_keep(api->dashboard, api->config->data_dir);
    http_note_figures(api->server, &api->noted);
}

static bool count_hook(void *data, const struct hook *hook)
{
    struct api *api = data;

    if (hook->name.n_bytes == 0)
        return true; // a trace of a deleted hook
    hook_counts_note(api, hook);
    expire_note_first(api, hook);
    return true;
}

static bool take_token(void *data, const struct token *token)
{
    auth_grant_set(data, token->org, token->scopes, token->expires_at_ms);
    auth_grant_name(data, token->id, token->name);
    return false;
}

static enum err find_token(void *data, const uint8_t hash[SHA256_BYTES],
                           struct auth_grant *out)
{
    return token_find(data, hash, take_token, out);
}

static void open_storage(struct api *api)
{
    struct queue_config qc = { .data_dir = api->config->data_dir,
                               .max_bytes = api->config->max_queue_bytes,
                               .n_shards = (unsigned)api->config->dispatchers,
                               .keys = role_keys(api->role),
                               .is_replicated =
                                   config_is_clustered(api->config),
                               .stacks = cap_limit(api->config, CAP_STACKS) };
    uint64_t last;

    qc.payload_keys = role_payload_keys(api->role, qc.keys);
    data_dir_check(api->config->data_dir);
    api->n_shards = qc.n_shards;
    api->backlogs = backlog_table_new(qc.n_shards);
    if (hook_store_open(&qc, role_loop(api->role), &api->hooks) != OK ||
        hook_watch(api->hooks, 0, count_hook, api, &last) != OK)
        log_fatal("the store of hooks cannot be opened", "");
    hook_log_names(api->hooks);
    hook_store_key(api->hooks, "secretCiphertext", api->ciphertext_key);
    api->tokens = token_store_of(api->hooks);
    if (token_number_orgs(api->tokens) != OK) { // the disk is full
        log_warn("numbers for the organizations of tokens cannot be stored; is "
                 "the disk full?",
                 "");
    }
    if (event_view_open(&qc, &api->events) != OK)
        log_fatal("the event log cannot be opened", "");
    if (stack_view_open(&qc, &api->stacks) != OK)
        log_fatal("the store of stack names cannot be opened", "");
    for (unsigned k = 0; k < qc.n_shards; k++) {
        if (shard_view_open(&qc, k, &api->shards[k]) != OK)
            log_fatal("the store of a shard cannot be opened", "shard=%u", k);
    }
    api->auth = auth_new(api->config->data_dir);
    if (api->auth == NULL)
        log_fatal("admin.token cannot be read", "");
    auth_set_lookup(api->auth, find_token, api->tokens);
    read_metrics_token(api);
}

static void serve(struct api *api)
{
    struct http_limits limits =
        http_limits_of(api->config, event_body_max(api));
    struct http_handlers handlers = { .on_headers = on_headers,
                                      .on_request = on_request,
                                      .on_dropped = on_dropped,
                                      .data = api };

    if (http_server_start(role_loop(api->role), ROLE_LISTEN_FD, &limits,
                          &handlers, &api->server) != OK)
        log_fatal("the API server cannot be started", "");
    http_server_first_tls(api->server, role_tls_fd(api->role));
}

static void on_tls(void *data, int fd)
{
    struct api *api = data;

    http_server_load_tls(api->server, fd);
}

int api_role(unsigned index)
{
    struct api *api = xcalloc(1, sizeof(*api));
    struct role_handlers handlers = { .on_link = on_link,
                                      .on_drain = on_drain,
                                      .on_reload = on_reload,
                                      .on_tls = on_tls,
                                      .on_second = on_second,
                                      .data = api };

    api->role = role_start(ROLE_API, index);
    api->config = role_config(api->role);
    if (gethostname(api->own_name, sizeof(api->own_name) - 1) != 0)
        api->own_name[0] = '\0';
    api->dashboard = dashboard_new(api->config);
    expire_init(api);
    org_signing_init(api);
    open_storage(api);
    erasing_init(api);
    payload_erasing_init(api);
    tail_init(api);
    turns_init(api);
    serve(api);
    role_ready(api->role, &handlers);
    return role_run(api->role);
}
