// SPDX-License-Identifier: MIT
// export_lines.c — the lines of an export. Each is an object, whose member `type` says
// what it is.

#include "api/tenants/export_lines.h"
#include "api/json/delivery_json.h"
#include "api/json/pulumi_hook_json.h"
#include "api/json/scopes_json.h"
#include "common/base/clock.h"

// Begins a line.
static struct json_writer begin(struct export *x, const char *type)
{
    struct json_writer w = json_writer(x->out);

    json_open_object(&w, NULL);
    json_put_text(&w, "type", type);
    return w;
}

static void end(struct export *x, struct json_writer *w)
{
    json_close(w);
    buf_putc(x->out, '\n');
}

static void put_counts(const struct export *x, struct json_writer *w)
{
    static const char *const names[EXPORT_DONE] = {
        [EXPORT_HOOKS] = "webhooks",    [EXPORT_TOKENS] = "tokens",
        [EXPORT_STACKS] = "stacks",     [EXPORT_ENVIRONMENTS] = "environments",
        [EXPORT_KINDS] = "kinds",       [EXPORT_EVENTS] = "events",
        [EXPORT_ATTEMPTS] = "attempts",
    };

    for (int i = 0; i < EXPORT_DONE; i++)
        json_put_u64(w, names[i], x->counts[i]);
}

void export_put_begin(struct export *x)
{
    struct json_writer w = begin(x, "organization");

    json_put_str(&w, "organization", x->tenant.org);
    json_put_i64(&w, "exportedAt", clock_now_us() / 1000);
    end(x, &w);
}

void export_put_hook(struct export *x, const struct hook *hook)
{
    bool is_akinon = hook->scope.dialect == DIALECT_AKINON;
    const struct hook_dialect *dialect =
        is_akinon ? &akinon_dialect : &pulumi_dialect;
    const struct hook_showing to = { .is_masked = true,
                                     .ciphertext_key =
                                         x->rq->api->ciphertext_key };
    struct json_writer w = begin(x, "webhook");

    json_put_bool(&w, "akinon", is_akinon);
    json_put_given(&w, "projectName", hook->scope.project);
    json_open_object(&w, "webhook");
    dialect->print(&to, hook, &w);
    json_close(&w);
    end(x, &w);
}

void export_put_token(struct export *x, const struct token *token)
{
    struct json_writer w = begin(x, "token");

    json_put_str(&w, "id", token->id);
    json_put_str(&w, "name", token->name);
    scopes_print(token->scopes, &w, "scopes");
    json_put_i64(&w, "createdAt", token->created_at_ms / 1000);
    if (token->expires_at_ms != 0) {
        json_put_i64(&w, "expiresAt", token->expires_at_ms / 1000);
    } else {
        json_put_null(&w, "expiresAt");
    }
    end(x, &w);
}

void export_put_place(struct export *x, const struct stack_name *name)
{
    bool is_env = name->env.n_bytes > 0;
    struct json_writer w = begin(x, is_env ? "environment" : "stack");

    json_put_str(&w, "projectName", name->project);
    json_put_str(&w, is_env ? "envName" : "stackName",
                 is_env ? name->env : name->stack);
    end(x, &w);
}

void export_put_kind(struct export *x, const struct org_value *entry)
{
    struct json_writer w = begin(x, "kind");

    json_put_bool(&w, "akinon", tenant_dialect(x->i_dialect) == DIALECT_AKINON);
    json_put_str(&w, "kind", entry->name);
    json_put_contents(&w, kind_entry_of(entry->bytes).whole);
    end(x, &w);
}

void export_put_event(struct export *x, const struct event *event)
{
    struct json_writer w = begin(x, "event");
    char id[ID_TEXT_BYTES + 1];

    id_format(&event->id, id);
    json_put_text(&w, "id", id);
    json_put_bool(&w, "akinon", event->dialect == DIALECT_AKINON);
    json_put_i64(&w, "acceptedAt", event->accepted_at_us / 1000);
    json_put_given(&w, "kind", event->kind);
    json_put_given(&w, "projectName", event->project);
    json_put_given(&w, "stackName", event->stack);
    json_put_given(&w, "envName", event->env);
    if (event->cloud.n_bytes > 0)
        json_put_raw(&w, "cloudEvent", event->cloud);
    json_put_str(&w, "payload", event->payload);
    if (event->is_locked)
        json_put_bool(&w, "payloadLocked", true);
    if (event_is_erased(event))
        json_put_bool(&w, "payloadErased", true);
    end(x, &w);
}

void export_put_attempt(struct export *x, const struct attempt *attempt)
{
    const struct api *api = x->rq->api;
    struct attempt shown = *attempt;
    struct json_writer w = begin(x, "attempt");

    buf_reset(&x->headers);
    request_put_sent_headers(api, attempt, &x->headers);
    shown.request_headers = buf_str(&x->headers);
    request_put_hook(api, attempt->hook_id, &w);
    delivery_print(&shown, attempt->payload, false, &w);
    end(x, &w);
}

void export_put_progress(struct export *x)
{
    struct json_writer w = begin(x, "progress");

    put_counts(x, &w);
    end(x, &w);
}

void export_put_end(struct export *x)
{
    struct json_writer w = begin(x, "end");
    uint64_t n_waiting = 0;

    for (size_t i = 0; i < 2; i++) {
        struct org_backlog b;

        if (x->tenant.org_nos[i] == 0)
            continue;
        backlog_of_org(x->rq->api->backlogs, x->tenant.org_nos[i], &b);
        n_waiting += b.n_rows;
    }
    put_counts(x, &w);
    json_put_u64(&w, "waiting", n_waiting);
    json_put_u64(&w, "damaged", x->n_damaged);
    end(x, &w);
}
