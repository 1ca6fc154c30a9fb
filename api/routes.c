// SPDX-License-Identifier: MIT
// routes.c — the table of routes, and how a path is looked up in it.

#include "api/routes.h"

#include <string.h>

#include "api/dashboard/handlers.h"
#include "api/deliveries/handlers.h"
#include "api/hooks/handlers.h"
#include "api/system/handlers.h"
#include "api/tenants/handlers.h"

#define SEGMENTS_MAX 16

// clang-format off
// Routes that neither published API has: of a hook's attempts, and for a hook and for an
// organization.
#define ATTEMPT_ROUTES(at, ...)                                                \
    { METHOD_GET, AUTH_READ, at "/deliveries/{event}/attempts/{attempt}",      \
      attempts_get, .is_long = true, __VA_ARGS__ },                            \
    { METHOD_GET, AUTH_READ, at "/deliveries/{event}/request", requests_get,   \
      .is_long = true, __VA_ARGS__ }
#define OWN_ROUTES(at, ...)                                                    \
    { METHOD_GET, AUTH_READ, at "/stats", stats_get, __VA_ARGS__ },            \
    { METHOD_GET, AUTH_READ, at "/stats/series", stats_series_get,             \
      __VA_ARGS__ },                                                           \
    { METHOD_GET, AUTH_READ, at "/tail", tail_get, .is_stream = true,          \
      __VA_ARGS__ },                                                           \
    { METHOD_POST, AUTH_WRITE, at "/replay", replays_create,                   \
      .takes_json = true, __VA_ARGS__ },                                       \
    { METHOD_POST, AUTH_WRITE, at "/dead/discard", discards_create,            \
      .takes_json = true, __VA_ARGS__ },                                       \
    { METHOD_GET, AUTH_READ, at "/replays", replays_list, .is_long = true,     \
      __VA_ARGS__ },                                                           \
    { METHOD_GET, AUTH_READ, at "/replays/{replay}", replays_get,              \
      __VA_ARGS__ },                                                           \
    { METHOD_DELETE, AUTH_WRITE, at "/replays/{replay}", replays_cancel,       \
      __VA_ARGS__ }

// The public keys of a hook or an organization, for receivers.
#define JWKS_ROUTE(at, handler, ...)                                           \
    { METHOD_GET, AUTH_READ, at "/.well-known/jwks.json", handler,             \
      .is_public = true, .is_for_erased = true, __VA_ARGS__ }
#define SIGNING_ROUTES(at, ...)                                                \
    { METHOD_GET, AUTH_READ, at "/signing-keys", signing_keys_list,            \
      __VA_ARGS__ },                                                           \
    { METHOD_POST, AUTH_WRITE, at "/signing-keys", signing_keys_create,        \
      .takes_json = true, __VA_ARGS__ },                                       \
    JWKS_ROUTE(at, jwks_get_org, __VA_ARGS__)
// The payload of an event of an organization.
#define PAYLOAD_ROUTES(at, ...)                                                \
    { METHOD_GET, AUTH_READ, at "/events/{event}/payload", payloads_get,       \
      __VA_ARGS__ },                                                           \
    { METHOD_DELETE, AUTH_WRITE, at "/events/{event}/payload", payloads_erase, \
      __VA_ARGS__ }

// The routes of one level of hooks.
#define HOOK_ROUTES(at)                                                        \
    { METHOD_GET, AUTH_READ, at, hooks_list, .is_long = true },                \
    { METHOD_POST, AUTH_WRITE, at, hooks_create, .takes_json = true },         \
    { METHOD_GET, AUTH_READ, at "/{hook}", hooks_get, .takes_json = false },   \
    { METHOD_PATCH, AUTH_WRITE, at "/{hook}", hooks_update,                    \
      .takes_json = true },                                                    \
    { METHOD_DELETE, AUTH_WRITE, at "/{hook}", hooks_delete,                   \
      .takes_json = false },                                                   \
    { METHOD_GET, AUTH_READ, at "/{hook}/deliveries", deliveries_list,         \
      .is_long = true },                                                       \
    { METHOD_GET, AUTH_READ, at "/{hook}/status", on_demand_status,               \
      .takes_json = false },                                                   \
    { METHOD_POST, AUTH_WRITE, at "/{hook}/ping", on_demand_ping,                 \
      .is_long = true },                                                       \
    { METHOD_POST, AUTH_WRITE, at "/{hook}/deliveries/{event}/redeliver",      \
      on_demand_redeliver, .is_long = true },                                     \
    ATTEMPT_ROUTES(at "/{hook}", .is_akinon = false),                          \
    JWKS_ROUTE(at "/{hook}", jwks_get_hook, .is_akinon = false),               \
    OWN_ROUTES(at "/{hook}", .is_akinon = false)

// Akinon's paths, with and without the version in front.
#define AKINON_PROJECT "/organizations/{org}/projects/{project}"
#define AKINON         AKINON_PROJECT "/settings/webhooks"
#define AKINON_PROJECT_ROUTES(at)                                              \
    { METHOD_POST, AUTH_WRITE, at "/dead/discard", discards_create,            \
      .takes_json = true, .is_akinon = true },                                 \
    { METHOD_POST, AUTH_WRITE, at "/explain", explain_posted,                  \
      .takes_json = true, .takes_event = true, .is_long = true, .is_akinon = true },            \
    { METHOD_GET, AUTH_READ, at "/events", events_list, .is_long = true,       \
      .is_akinon = true },                                                     \
    { METHOD_GET, AUTH_READ, at "/events/{event}", explain_stored,             \
      .is_long = true, .is_akinon = true }
#define CATALOGUE_ROUTES(at, ...)                                              \
    { METHOD_GET, AUTH_READ, at, catalogue_get, __VA_ARGS__ },                 \
    { METHOD_PUT, AUTH_WRITE, at, catalogue_put, .takes_json = true,           \
      __VA_ARGS__ },                                                           \
    { METHOD_DELETE, AUTH_WRITE, at, catalogue_delete, __VA_ARGS__ }
// An organization of Akinon's, over all its projects.
#define AKINON_ORG "/organizations/{org}"
#define AKINON_ORG_ROUTES(at)                                                  \
    { METHOD_GET, AUTH_READ, at "/kinds", kinds_list_org, .is_akinon = true }, \
    CATALOGUE_ROUTES(at "/kinds/{kind}", .is_akinon = true),                   \
    { METHOD_GET, AUTH_READ, at "/status", status_get_org,                     \
      .is_akinon = true },                                                     \
    { METHOD_GET, AUTH_READ, at "/deliveries", deliveries_list_org,            \
      .is_long = true, .is_akinon = true },                                    \
    { METHOD_GET, AUTH_READ, at "/events", events_list, .is_long = true,       \
      .is_akinon = true },                                                     \
    { METHOD_GET, AUTH_READ, at "/events/{event}", explain_stored,             \
      .is_long = true, .is_akinon = true },                                    \
    PAYLOAD_ROUTES(at, .is_akinon = true),                                     \
    SIGNING_ROUTES(at, .is_akinon = true),                                     \
    OWN_ROUTES(at, .is_akinon = true)
#define AKINON_ROUTES(at)                                                      \
    { METHOD_GET, AUTH_READ, at, hooks_list, .is_long = true,                  \
      .is_akinon = true },                                                     \
    { METHOD_POST, AUTH_WRITE, at, hooks_create, .takes_json = true,           \
      .is_akinon = true },                                                     \
    { METHOD_GET, AUTH_READ, at "/{hook}", hooks_get, .is_akinon = true },     \
    { METHOD_PATCH, AUTH_WRITE, at "/{hook}", hooks_update,                    \
      .takes_json = true, .is_akinon = true },                                 \
    { METHOD_DELETE, AUTH_WRITE, at "/{hook}", hooks_delete,                   \
      .is_akinon = true },                                                     \
    { METHOD_GET, AUTH_READ, at "/{hook}/deliveries", deliveries_list,         \
      .is_long = true, .is_akinon = true },                                                     \
    { METHOD_GET, AUTH_READ, at "/{hook}/status", on_demand_status,               \
      .is_akinon = true },                                                     \
    { METHOD_POST, AUTH_WRITE, at "/{hook}/ping", on_demand_ping,                 \
      .is_long = true, .is_akinon = true },                                                     \
    { METHOD_POST, AUTH_WRITE, at "/{hook}/deliveries/{event}/redeliver",      \
      on_demand_redeliver, .is_long = true, .is_akinon = true },                                   \
    ATTEMPT_ROUTES(at "/{hook}", .is_akinon = true),                           \
    JWKS_ROUTE(at "/{hook}", jwks_get_hook, .is_akinon = true),                \
    OWN_ROUTES(at "/{hook}", .is_akinon = true)

static const struct route routes[] = {
    HOOK_ROUTES("/api/orgs/{org}/hooks"),
    HOOK_ROUTES("/api/stacks/{org}/{project}/{stack}/hooks"),
    HOOK_ROUTES("/api/esc/environments/{org}/{project}/{env}/hooks"),
    HOOK_ROUTES("/api/preview/environments/{org}/{env}/hooks"), // deprecated
    OWN_ROUTES("/api/orgs/{org}", .is_akinon = false),
    SIGNING_ROUTES("/api/orgs/{org}", .is_akinon = false),
    PAYLOAD_ROUTES("/api/orgs/{org}", .is_akinon = false),
    { METHOD_GET, AUTH_ADMIN, "/api/status", status_get_engine,
      .takes_json = false },
    { METHOD_GET, AUTH_ADMIN, "/api/config", config_get, .is_long = true },
    { METHOD_GET, AUTH_READ, "/api/orgs/{org}/places", places_list,
      .takes_json = false },
    { METHOD_GET, AUTH_READ, "/api/orgs/{org}/kinds", kinds_list_org,
      .takes_json = false },
    CATALOGUE_ROUTES("/api/orgs/{org}/kinds/{kind}", .is_akinon = false),
    { METHOD_GET, AUTH_READ, "/api/orgs/{org}/status", status_get_org,
      .takes_json = false },
    { METHOD_GET, AUTH_READ, "/api/orgs/{org}/deliveries", deliveries_list_org,
      .is_long = true },
    { METHOD_GET, AUTH_READ, "/api/orgs/{org}/events", events_list,
      .is_long = true },
    { METHOD_GET, AUTH_READ, "/api/stacks/{org}/{project}/{stack}/events",
      events_list, .is_long = true },
    { METHOD_GET, AUTH_READ,
      "/api/esc/environments/{org}/{project}/{env}/events", events_list,
      .is_long = true },
    { METHOD_GET, AUTH_READ, "/api/orgs/{org}/events/{event}", explain_stored,
      .is_long = true },
    { METHOD_POST, AUTH_WRITE, "/api/orgs/{org}/explain", explain_posted,
      .takes_json = true, .takes_event = true, .is_long = true },
    { METHOD_GET, AUTH_ANY, "/organizations", akinon_account_organizations,
      .is_long = true, .is_akinon = true },
    { METHOD_GET, AUTH_ANY, "/api/v1/organizations",
      akinon_account_organizations, .is_long = true, .is_akinon = true },
    AKINON_ORG_ROUTES(AKINON_ORG),
    AKINON_ORG_ROUTES("/api/v1" AKINON_ORG),
    AKINON_PROJECT_ROUTES(AKINON_PROJECT),
    AKINON_PROJECT_ROUTES("/api/v1" AKINON_PROJECT),
    { METHOD_GET, AUTH_ANY, "/api/user", pulumi_account_user, .is_long = true },
    { METHOD_GET, AUTH_ANY, "/api/user/organizations/default",
      pulumi_account_default_org, .takes_json = false },
    { METHOD_GET, AUTH_ANY, "/api/capabilities", pulumi_account_capabilities,
      .takes_json = false },
    { METHOD_GET, AUTH_ANY, "/api/cli/version", pulumi_account_cli_version,
      .takes_json = false },
    { METHOD_GET, AUTH_READ, "/api/user/stacks", stacks_list,
      .takes_json = false },
    { METHOD_GET, AUTH_READ, "/api/stacks/{org}/{project}", stacks_project,
      .takes_json = false },
    { METHOD_POST, AUTH_WRITE, "/api/stacks/{org}/{project}", stacks_create,
      .takes_json = true },
    { METHOD_GET, AUTH_READ, "/api/stacks/{org}/{project}/{stack}", stacks_get,
      .takes_json = false },
    { METHOD_DELETE, AUTH_WRITE, "/api/stacks/{org}/{project}/{stack}",
      stacks_delete, .takes_json = false },
    { METHOD_GET, AUTH_READ, "/api/stacks/{org}/{project}/{stack}/export",
      stacks_export, .takes_json = false },
    { METHOD_GET, AUTH_READ, "/api/esc/environments", environments_list,
      .takes_json = false },
    { METHOD_GET, AUTH_READ, "/api/esc/environments/{org}", environments_list,
      .takes_json = false },
    { METHOD_GET, AUTH_READ, "/api/esc/environments/{org}/{project}/{env}",
      environments_get, .takes_json = false },
    { METHOD_DELETE, AUTH_WRITE, "/api/esc/environments/{org}/{project}/{env}",
      environments_delete, .takes_json = false },
    { METHOD_GET, AUTH_ADMIN, "/api/orgs", orgs_list, .is_long = true },
    { METHOD_GET, AUTH_READ, "/api/orgs/{org}/export", orgs_export,
      .is_long = true },
    { METHOD_GET, AUTH_ADMIN, "/api/orgs/{org}/retention", retention_get,
      .takes_json = false },
    { METHOD_PUT, AUTH_ADMIN, "/api/orgs/{org}/retention", retention_put,
      .takes_json = true },
    { METHOD_DELETE, AUTH_ADMIN, "/api/orgs/{org}/retention", retention_delete,
      .takes_json = false },
    { METHOD_DELETE, AUTH_ADMIN, "/api/orgs/{org}", orgs_erase,
      .is_for_erased = true },
    { METHOD_GET, AUTH_ADMIN, "/api/erasures", erasures_list,
      .is_long = true },
    { METHOD_GET, AUTH_ADMIN, "/api/erasures/{erasure}", erasures_get,
      .takes_json = false },
    { METHOD_POST, AUTH_ADMIN, "/api/orgs/{org}/tokens", tokens_create,
      .takes_json = true },
    { METHOD_GET, AUTH_ADMIN, "/api/orgs/{org}/tokens", tokens_list,
      .is_long = true },
    { METHOD_POST, AUTH_ADMIN, "/api/orgs/{org}/tokens/{token}/rotate",
      tokens_rotate, .takes_json = true },
    { METHOD_DELETE, AUTH_ADMIN, "/api/orgs/{org}/tokens/{token}",
      tokens_revoke, .takes_json = false },
    AKINON_ROUTES(AKINON),
    AKINON_ROUTES("/api/v1" AKINON),
    { METHOD_GET, AUTH_ANY, "/api/kinds", kinds_list, .takes_json = false },
    { METHOD_GET, AUTH_ANY, "/api/openapi.json", openapi_get,
      .is_public = true, .is_long = true },
    { METHOD_GET, AUTH_ANY, "/api/openapi/pulumi-spec.json", openapi_get,
      .is_public = true, .is_long = true },
    { METHOD_POST, AUTH_ANY, "/dashboard/session", session_create,
      .takes_json = true, .takes_code = true, .is_dashboard = true },
    { METHOD_DELETE, AUTH_ANY, "/dashboard/session", session_delete,
      .is_dashboard = true },
    { METHOD_GET, AUTH_ANY, "/api/session", session_get,
      .is_dashboard = true },
    { METHOD_POST, AUTH_ANY, "/api/login-codes", login_codes_create,
      .takes_json = true, .is_dashboard = true },
    { METHOD_GET, AUTH_ANY, "/dashboard", dashboard_file, .is_public = true,
      .is_long = true, .is_dashboard = true },
    { METHOD_GET, AUTH_ANY, "/dashboard/{path}", dashboard_file,
      .is_public = true, .is_long = true, .is_dashboard = true },
    { METHOD_GET, AUTH_READ, "/healthz", operations_healthz, .is_public = true,
      .is_for_any_host = true },
    { METHOD_GET, AUTH_READ, "/readyz", operations_readyz, .is_public = true,
      .is_for_any_host = true },
    { METHOD_GET, AUTH_ADMIN, "/metrics",
      operations_metrics, .is_public = true },
};
// clang-format on

#define N_ROUTES (sizeof(routes) / sizeof(routes[0]))

static const char *const param_names[PARAMS] = {
    [PARAM_ORG] = "{org}",         [PARAM_PROJECT] = "{project}",
    [PARAM_STACK] = "{stack}",     [PARAM_ENV] = "{env}",
    [PARAM_HOOK] = "{hook}",       [PARAM_EVENT] = "{event}",
    [PARAM_TOKEN] = "{token}",     [PARAM_REPLAY] = "{replay}",
    [PARAM_ATTEMPT] = "{attempt}", [PARAM_ERASURE] = "{erasure}",
    [PARAM_KIND] = "{kind}",       [PARAM_PATH] = "{path}",
};

const struct route *route_at(size_t i)
{
    return i < N_ROUTES ? &routes[i] : NULL;
}

struct segments {
    struct str at[SEGMENTS_MAX];   // decoded, in the arena
    struct str from[SEGMENTS_MAX]; // the path from this segment on, as sent
    size_t n;
    bool
        has_more; // further ones, which only a pattern of a rest of the path fits
};

// Takes the next segment off `rest`, which begins with a slash.
static struct str next_segment(struct str *rest)
{
    struct str segment = { rest->at + 1, rest->n_bytes - 1 };
    const char *slash =
        segment.n_bytes > 0 ? memchr(segment.at, '/', segment.n_bytes) : NULL;

    if (slash != NULL)
        segment.n_bytes = (size_t)(slash - segment.at);
    rest->at = segment.at + segment.n_bytes;
    rest->n_bytes -= segment.n_bytes + 1;
    return segment;
}

// Splits a path, then decodes the segments, so that %2F is a character of its segment.
static enum err split(struct str path, struct arena *arena,
                      struct segments *out)
{
    enum err err = path.n_bytes > 0 && path.at[0] == '/' ? OK : ERR_NOTFOUND;
    struct buf decoded;

    out->n = 0;
    buf_init(&decoded, 0);
    while (err == OK && path.n_bytes > 0 && out->n < SEGMENTS_MAX) {
        struct str segment = next_segment(&path);

        buf_reset(&decoded);
        if (http_decode(segment, &decoded) != OK) {
            err = ERR_INVALID;
        } else {
            out->from[out->n] =
                (struct str){ segment.at, segment.n_bytes + path.n_bytes };
            out->at[out->n++] = arena_copy(arena, buf_str(&decoded));
        }
    }
    out->has_more = path.n_bytes > 0;
    buf_clear(&decoded);
    return err;
}

static int param_of(struct str name)
{
    for (int i = 0; i < PARAMS; i++) {
        if (str_is(name, param_names[i]))
            return i;
    }
    return -1;
}

// Whether one segment of a path fits one segment of a pattern.
static bool segment_fits(struct str wanted, struct str segment,
                         struct str *params)
{
    int param = param_of(wanted);

    if (param < 0)
        return str_eq(wanted, segment);
    params[param] = segment;
    return segment.n_bytes > 0;
}

static bool route_fits(const struct route *route, const struct segments *path,
                       struct str *params)
{
    struct str rest = str_of(route->pattern);
    size_t n = 0;

    memset(params, 0, PARAMS * sizeof(*params));
    while (rest.n_bytes > 0) {
        struct str wanted = next_segment(&rest);

        if (n < path->n && str_is(wanted, param_names[PARAM_PATH])) {
            params[PARAM_PATH] = path->from[n];
            return true;
        }
        if (n == path->n || !segment_fits(wanted, path->at[n++], params))
            return false;
    }
    return n == path->n && !path->has_more;
}

static unsigned bit(enum http_method method)
{
    return 1U << method;
}

enum err route_find(enum http_method method, struct str path,
                    struct arena *arena, struct route_match *out)
{
    enum http_method wanted = method == METHOD_HEAD ? METHOD_GET : method;
    struct segments segments;
    struct str params[PARAMS];
    enum err err;

    memset(out, 0, sizeof(*out));
    err = split(path, arena, &segments);
    if (err != OK)
        return err;
    for (size_t i = 0; i < N_ROUTES; i++) {
        if (!route_fits(&routes[i], &segments, params))
            continue;
        if (params[PARAM_PATH].at != NULL && out->methods != 0)
            continue; // a pattern above names this very path
        out->methods |= bit(routes[i].method);
        out->is_dashboard = routes[i].is_dashboard;
        memcpy(out->params, params, sizeof(params));
        if (routes[i].method == wanted)
            out->route = &routes[i];
    }
    if (out->methods == 0)
        return ERR_NOTFOUND;
    out->methods |= bit(METHOD_OPTIONS);
    if ((out->methods & bit(METHOD_GET)) != 0)
        out->methods |= bit(METHOD_HEAD);
    return out->route != NULL ? OK : ERR_DENIED;
}

void route_put_allow(unsigned methods, struct buf *out)
{
    static const struct {
        enum http_method method;
        const char *name;
    } names[] = {
        { METHOD_GET, "GET" },         { METHOD_HEAD, "HEAD" },
        { METHOD_POST, "POST" },       { METHOD_PUT, "PUT" },
        { METHOD_PATCH, "PATCH" },     { METHOD_DELETE, "DELETE" },
        { METHOD_OPTIONS, "OPTIONS" },
    };
    const char *separator = "Allow: ";

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if ((methods & bit(names[i].method)) == 0)
            continue;
        buf_printf(out, "%s%s", separator, names[i].name);
        separator = ", ";
    }
    buf_puts(out, "\r\n");
}
