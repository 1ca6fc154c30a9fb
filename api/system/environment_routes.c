// SPDX-License-Identifier: MIT
// environment_routes.c — handlers of the routes of environments, as Pulumi's command line
// knows them.
//
// An environment exists here when a hook or an event has named it; its content is not
// stored. Before the command line reads a reference of two parts as organization and
// environment, it asks whether ORGANIZATION/default/ENVIRONMENT exists; a 404 means
// that the first part is a project. So in the project "default" of a known organization
// every environment exists.

#include "api/system/handlers.h"

#include "api/core/audit.h"
#include "api/system/named.h"
#include "api/system/stack_routes.h"
#include "common/log/log.h"

#define DEFAULT_PROJECT "default"

static void put_environment(const struct stack_name *name,
                            struct json_writer *w)
{
    json_open_object(w, NULL);
    json_put_str(w, "organization", name->org);
    json_put_str(w, "project", name->project);
    json_put_str(w, "name", name->env);
    json_close(w);
}

static const struct named_style style = { .is_env = true,
                                          .name = "environments",
                                          .token = "nextToken",
                                          .put = put_environment };

void environments_list(struct api_request *rq)
{
    struct hook_scope scope = { .org = STR_EMPTY };

    if (rq->match.params[PARAM_ORG].n_bytes == 0 || request_org(rq, &scope))
        named_answer(rq, &style, scope.org, STR_EMPTY);
}

// Finds whether an organization is known. The token's own organization and the default
// one are always known.
static enum err find_org(struct api_request *rq, struct str org)
{
    struct stack_name name = { .org = org };
    struct str own = { rq->grant.org, rq->grant.n_org_bytes };

    if (str_eq(org, own) || str_is(org, rq->api->config->default_organization))
        return OK;
    return stack_find(rq->api->stacks, &name);
}

static enum err find(struct api_request *rq, const struct stack_name *name)
{
    enum err err = stack_find(rq->api->stacks, name);

    return err == ERR_NOTFOUND && str_is(name->project, DEFAULT_PROJECT)
               ? find_org(rq, name->org)
               : err;
}

static bool read_name(struct api_request *rq, struct stack_name *name)
{
    struct hook_scope scope;

    if (!request_scope(rq, &scope))
        return false;
    *name = (struct stack_name){ .org = scope.org,
                                 .project = scope.project,
                                 .env = scope.target };
    return true;
}

static void answer_error(struct api_request *rq, const struct stack_name *name,
                         enum err err)
{
    if (err != ERR_NOTFOUND) {
        request_fail_store(rq, err);
        return;
    }
    http_fail(rq->http, 404, STR_EMPTY,
              "Environment '%.*s/%.*s/%.*s' not found", STR_ARG(name->org),
              STR_ARG(name->project), STR_ARG(name->env));
}

void environments_get(struct api_request *rq)
{
    struct stack_name name;
    struct buf body;
    enum err err;

    if (!read_name(rq, &name))
        return;
    err = find(rq, &name);
    if (err == OK) {
        struct json_writer w = json_writer(&body);

        buf_init(&body, 0);
        put_environment(&name, &w);
        request_answer(rq, 200, buf_str(&body));
        buf_clear(&body);
    } else {
        answer_error(rq, &name, err);
    }
}

static void on_deleted(struct api_request *rq,
                       const struct catalog_result *result)
{
    struct http_response response = { .status = 204 };
    const struct stack_name *name = rq->data;

    if (result->err == ERR_EXISTS) {
        stacks_fail_hooks(rq, name);
    } else if (result->err != OK) {
        answer_error(rq, name, result->err);
    } else {
        audit(rq, "environment deleted", "org=%s project=%s env=%s",
              log_quote(name->org), log_quote(name->project),
              log_quote(name->env));
        http_respond(rq->http, &response);
    }
}

static void begin_delete(struct api_request *rq)
{
    const struct stack_name *name = rq->data;
    struct catalog_caller caller;

    if (!stacks_may_forget(rq, name))
        return;
    caller = change_caller(rq, on_deleted);
    stack_delete(rq->api->hooks, name, &caller);
}

void environments_delete(struct api_request *rq)
{
    struct stack_name *name = arena_take(&rq->arena, sizeof(*name));

    rq->data = name;
    if (read_name(rq, name))
        request_change(rq, begin_delete, CHANGE_ALONE);
}
