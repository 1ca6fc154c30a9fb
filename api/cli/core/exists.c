// SPDX-License-Identifier: MIT
// exists.c — whether the hook or organization that a command names exists.

#include "api/cli/core/exists.h"

#include "api/cli/core/api_client.h"
#include "common/encoding/json.h"
#include "common/model/operator.h"

static bool is_refused(long status)
{
    return status == 401 || status == 403;
}

static bool exists_named(const struct args *args, const char *org,
                         bool is_akinon)
{
    struct client_call call = { .method = "GET",
                                .is_quiet = client_is_refusal };
    const struct json_value *exists;
    struct buf path, response;
    struct json *json;
    bool is_there = true;
    enum err err;

    buf_init(&path, 0);
    buf_init(&response, 0);
    buf_puts(&path, is_akinon ? "/organizations" : "/api/orgs");
    client_put_segment(&path, org);
    buf_puts(&path, "/status");
    call.path = buf_cstr(&path);
    err = client_request(args, &call, &response);
    if (err == OK && client_read(args->command, &response, &json)) {
        exists = json_get(json_root(json), "exists");
        is_there = exists == NULL || json_bool(exists);
        json_free(json);
        if (!is_there) {
            command_failed(args->command,
                           "there is no organization %s: it never had a "
                           "webhook or a token",
                           org);
        }
    } else {
        is_there = err == ERR_NOTFOUND || err == ERR_CONFLICT;
    }
    buf_clear(&response);
    buf_clear(&path);
    return is_there;
}

static bool exists_hook(const struct args *args,
                        const struct scope_options *scope)
{
    struct client_call call = { .method = "GET", .is_quiet = is_refused };
    struct buf path, response;
    enum err err;

    buf_init(&path, 0);
    buf_init(&response, 0);
    scope_put_owner_path(scope, &path);
    call.path = buf_cstr(&path);
    err = client_request(args, &call, &response);
    buf_clear(&response);
    buf_clear(&path);
    return err == OK || err == ERR_CONFLICT;
}

bool exists_scope(const struct args *args, const struct scope_options *scope)
{
    if (scope->hook != NULL)
        return exists_hook(args, scope);
    return operator_is_org(str_of(scope->org)) ||
           exists_named(args, scope->org, scope->is_akinon);
}

bool exists_org(const struct args *args)
{
    return exists_named(args, args_text(args, "org"), args_has(args, "akinon"));
}

bool exists_stored(struct hook_store *hooks, const char *org)
{
    uint64_t pulumi = 0, akinon = 0;

    return org_number(hooks, DIALECT_PULUMI, str_of(org), &pulumi) != OK ||
           org_number(hooks, DIALECT_AKINON, str_of(org), &akinon) != OK ||
           pulumi + akinon != 0;
}
