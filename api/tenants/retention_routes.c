// SPDX-License-Identifier: MIT
// retention_routes.c — handlers of the routes of an organization's own retention, which is
// never longer than that of the settings.
//
// An organization has a number in each API, and the same retention under both.

#include <string.h>

#include "api/core/api_request.h"
#include "api/core/audit.h"
#include "api/json/json_members.h"
#include "api/tenants/handlers.h"
#include "api/tenants/retention_json.h"
#include "api/tenants/tenant.h"
#include "common/base/clock.h"
#include "common/config/config_types.h"
#include "common/log/log.h"

#define RETENTION_MIN_MS 1000

// What a change needs until it is answered.
struct retention_change {
    struct tenant tenant;
    struct org_retention own; // as it was asked for
    struct org_retention stored;
    struct buf bytes;
    size_t i; // the number that is written now
};

// --- answers ---

static void answer(struct api_request *rq, const struct org_retention *own)
{
    struct buf body;
    struct json_writer w = json_writer(&body);

    buf_init(&body, 0);
    retention_print(rq->api->config, own, NULL, &w);
    request_answer(rq, 200, buf_str(&body));
    buf_clear(&body);
}

// Reads the organization of the path, which must have a number. False: the request has
// been answered.
static bool read_tenant(struct api_request *rq, struct tenant *tenant)
{
    if (!tenant_read(rq, tenant))
        return false;
    if (tenant->org_nos[0] != 0 || tenant->org_nos[1] != 0)
        return true;
    request_fail_missing(rq, PARAM_ORG);
    return false;
}

void retention_get(struct api_request *rq)
{
    struct org_retention own = { .delivered_ms = 0 };
    struct tenant tenant;
    enum err err;

    if (!read_tenant(rq, &tenant))
        return;
    err = org_retention_get(
        rq->api->hooks, tenant.org_nos[tenant.org_nos[0] == 0 ? 1 : 0], &own);
    if (err == OK || err == ERR_NOTFOUND) {
        answer(rq, &own);
    } else {
        request_fail_store(rq, err);
    }
}

// --- changes ---

static void on_free(struct api_request *rq)
{
    struct retention_change *c = rq->data;

    buf_clear(&c->bytes);
}

static void begin_put(struct api_request *rq);

// Goes on with the organization's other number, or answers.
static void go_on(struct api_request *rq)
{
    struct retention_change *c = rq->data;

    while (c->i < 2 && c->tenant.org_nos[c->i] == 0)
        c->i++;
    if (c->i < 2) {
        request_change(rq, begin_put, CHANGE_ALONE);
        return;
    }
    audit(rq, "retention of an organization changed",
          "org=%s delivered_ms=%lld dead_ms=%lld", log_quote(c->tenant.org),
          (long long)c->own.delivered_ms, (long long)c->own.dead_ms);
    answer(rq, &c->own);
}

static void on_stored(struct api_request *rq,
                      const struct catalog_result *result)
{
    struct retention_change *c = rq->data;

    if (result->err != OK) {
        request_fail_store(rq, result->err);
        return;
    }
    c->i++;
    go_on(rq);
}

// What was removed under a shorter retention before is gone: a replay of events that a
// webhook never got must not take those for events that it never got.
static void note_forgotten(const struct config *config,
                           const struct org_retention *before,
                           struct org_retention *after)
{
    int64_t until_ms = 0;

    if (before->delivered_ms > 0) {
        until_ms = clock_now_ms() -
                   org_retention_applies(before->delivered_ms,
                                         config->retention_delivered_ms);
    }
    after->forgotten_until_ms = before->forgotten_until_ms > until_ms
                                    ? before->forgotten_until_ms
                                    : until_ms;
}

static void begin_put(struct api_request *rq)
{
    struct retention_change *c = rq->data;
    struct org_retention before = { .delivered_ms = 0 };
    struct org_value_put put = { .dialect = tenant_dialect(c->i),
                                 .org = c->tenant.org,
                                 .use = ORG_RETENTION,
                                 .revision = ORG_VALUE_ANY };
    struct catalog_caller caller;
    enum err err =
        org_retention_get(rq->api->hooks, c->tenant.org_nos[c->i], &before);

    if (err != OK && err != ERR_NOTFOUND && err != ERR_CORRUPT) {
        request_fail_store(rq, err);
        return;
    }
    c->stored = c->own;
    note_forgotten(rq->api->config, &before, &c->stored);
    buf_reset(&c->bytes);
    org_retention_put(&c->stored, &c->bytes);
    put.bytes = buf_str(&c->bytes);
    caller = change_caller(rq, on_stored);
    org_value_put(rq->api->hooks, &put, &caller);
}

static struct retention_change *change_new(struct api_request *rq)
{
    struct retention_change *c = arena_take(&rq->arena, sizeof(*c));

    memset(c, 0, sizeof(*c));
    buf_init(&c->bytes, 0);
    rq->data = c;
    rq->on_free = on_free;
    return c;
}

// Reads a duration that may be missing.
static enum err read_duration(const struct validation *validation,
                              const struct json_value *body, const char *member,
                              int64_t max_ms, int64_t *out_ms)
{
    struct str text = STR_EMPTY;
    enum err err = member_text(validation, body, member, &text);

    if (err != OK || text.n_bytes == 0)
        return err;
    validation_at(validation, member);
    if (config_read_duration(text, RETENTION_MIN_MS, max_ms, out_ms) == OK)
        return OK;
    buf_printf(validation->why, "%s must be a duration such as 3d, from 1s to ",
               member);
    config_put_duration(max_ms, validation->why);
    buf_printf(validation->why, ", which is the setting retention_%s", member);
    return ERR_INVALID;
}

static enum err read_body(const struct validation *validation,
                          const struct config *config,
                          const struct json_value *body,
                          struct org_retention *own)
{
    enum err err;

    if (!json_is(body, JSON_OBJECT))
        return validation_refuse(validation, "the body must be a JSON object");
    err = read_duration(validation, body, "delivered",
                        config->retention_delivered_ms, &own->delivered_ms);
    if (err == OK) {
        err = read_duration(validation, body, "dead", config->retention_dead_ms,
                            &own->dead_ms);
    }
    if (err == OK && own->delivered_ms == 0 && own->dead_ms == 0)
        err = validation_refuse(validation, "delivered or dead must be given");
    return err;
}

void retention_put(struct api_request *rq)
{
    struct retention_change *c = change_new(rq);
    const char *field = NULL;
    struct json *json;
    struct buf why;
    struct validation validation = { .arena = &rq->arena,
                                     .why = &why,
                                     .field = &field };

    if (!read_tenant(rq, &c->tenant) || !request_json(rq, &json))
        return;
    buf_init(&why, 0);
    if (read_body(&validation, rq->api->config, json_root(json), &c->own) ==
        OK) {
        go_on(rq);
    } else {
        http_fail_field(rq->http, 400, field, "%s", buf_cstr(&why));
    }
    buf_clear(&why);
    json_free(json);
}

void retention_delete(struct api_request *rq)
{
    struct retention_change *c = change_new(rq);

    if (read_tenant(rq, &c->tenant))
        go_on(rq);
}
