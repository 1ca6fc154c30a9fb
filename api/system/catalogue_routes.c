// SPDX-License-Identifier: MIT
// catalogue_routes.c — an organization's catalogue of kinds: what each of its own kinds
// means, with an example of a payload and a JSON Schema, for people. Nothing is enforced.
//
// An entry is stored as the texts that are shown (kind_entry.h), so an example keeps its
// bytes, and a list of many reads none of them.

#include "api/system/catalogue_routes.h"

#include <inttypes.h>
#include <string.h>

#include "api/core/api_request.h"
#include "api/core/audit.h"
#include "api/json/json_members.h"
#include "api/system/handlers.h"
#include "common/base/clock.h"
#include "common/log/log.h"
#include "common/model/event_kinds.h"

#define DESCRIPTION_MAX_BYTES 1000
#define ENTRY_MAX_BYTES       ((size_t)16 * 1024) // what a body may bring

// What the change of an entry needs until it is answered.
struct entry_change {
    struct org_value_put put;
    struct json *body; // owned
    struct buf text;   // the entry
    uint64_t org_no;
};

static void on_entry_free(struct api_request *rq)
{
    struct entry_change *c = rq->data;

    json_free(c->body);
    buf_clear(&c->text);
}

static struct entry_change *change_new(struct api_request *rq)
{
    struct entry_change *c = arena_take(&rq->arena, sizeof(*c));

    memset(c, 0, sizeof(*c));
    buf_init(&c->text, 0);
    rq->data = c;
    rq->on_free = on_entry_free;
    return c;
}

// Reads organization and kind from the path. False: one is invalid; the request has been
// answered.
static bool read_place(struct api_request *rq, struct org_value_put *put)
{
    struct hook_scope scope;

    if (!request_org(rq, &scope))
        return false;
    *put = (struct org_value_put){ .dialect = scope.dialect,
                                   .org = scope.org,
                                   .use = ORG_EVENT_KIND,
                                   .name = rq->match.params[PARAM_KIND],
                                   .revision = ORG_VALUE_ANY };
    if (kind_is_custom(put->name) && !kind_is_own(put->name))
        return true;
    http_fail(rq->http, 400, STR_EMPTY,
              "kind: %s is no kind of an organization's own; allowed: two "
              "segments or more of A-Z a-z 0-9 _ - with . : or / between them, "
              "at most %d bytes, other than posthorn.*",
              log_quote(put->name), KIND_MAX_BYTES);
    return false;
}

// --- reading ---

static bool put_entry(void *data, const struct org_value *value)
{
    struct json_writer *w = data;

    json_open_object(w, NULL);
    json_put_str(w, "kind", value->name);
    json_put_contents(w, kind_entry_of(value->bytes).whole);
    json_close(w);
    return true;
}

static bool answer_entry(struct api_request *rq, uint64_t org_no,
                         unsigned status)
{
    struct buf body;
    struct json_writer w = json_writer(&body);
    enum err err;

    buf_init(&body, 0);
    err = org_value_get(rq->api->hooks, ORG_EVENT_KIND, org_no,
                        rq->match.params[PARAM_KIND], put_entry, &w);
    if (err == OK) {
        request_answer(rq, status, buf_str(&body));
    } else if (err == ERR_NOTFOUND) {
        request_fail_missing(rq, PARAM_KIND);
    } else {
        request_fail_store(rq, err);
    }
    buf_clear(&body);
    return err == OK;
}

static bool find_org(struct api_request *rq, const struct org_value_put *put,
                     uint64_t *org_no)
{
    enum err err = org_number(rq->api->hooks, put->dialect, put->org, org_no);

    if (err != OK)
        request_fail_store(rq, err);
    return err == OK;
}

void catalogue_get(struct api_request *rq)
{
    struct org_value_put put;
    uint64_t org_no;

    if (read_place(rq, &put) && find_org(rq, &put, &org_no))
        (void)answer_entry(rq, org_no, 200);
}

// An entry of the list: without what may be long.
static bool put_short(void *data, const struct org_value *value)
{
    struct json_writer *w = data;

    json_open_object(w, NULL);
    json_put_str(w, "kind", value->name);
    json_put_contents(w, kind_entry_of(value->bytes).summary);
    json_close(w);
    return true;
}

enum err catalogue_put_list(struct api_request *rq,
                            const struct hook_scope *scope,
                            struct json_writer *w)
{
    uint64_t org_no;
    enum err err =
        org_number(rq->api->hooks, scope->dialect, scope->org, &org_no);

    json_open_array(w, "catalogue");
    if (err == OK && org_no != 0) {
        err = org_value_each(rq->api->hooks, ORG_EVENT_KIND, org_no, STR_EMPTY,
                             put_short, w);
    }
    json_close(w);
    return err;
}

// --- writing ---

// Copies a member of the body as it was written.
static enum err copy_member(const struct validation *validation,
                            struct str body, const char *key, struct buf *text,
                            struct json_writer *w)
{
    struct buf raw;
    enum err err;

    buf_init(&raw, ENTRY_MAX_BYTES);
    err = json_compact_member(body, key, &raw);
    if (err == OK && text->n_bytes + raw.n_bytes > ENTRY_MAX_BYTES)
        err = ERR_TOOBIG;
    if (err == OK)
        json_put_raw(w, key, buf_str(&raw));
    buf_clear(&raw);
    if (err == ERR_TOOBIG) {
        buf_printf(validation->why,
                   "%s: description, example and schema together may have at "
                   "most %zu bytes",
                   key, ENTRY_MAX_BYTES);
        return ERR_INVALID;
    }
    return err == ERR_NOTFOUND ? OK : err;
}

static enum err check_entry(const struct validation *validation,
                            const struct json_value *body,
                            struct str *description)
{
    const struct json_value *schema = json_get(body, "schema");
    enum err err;

    if (!json_is(body, JSON_OBJECT))
        return validation_refuse(validation, "the body must be a JSON object");
    err = member_text(validation, body, "description", description);
    if (err == OK && description->n_bytes > DESCRIPTION_MAX_BYTES) {
        err = validation_refuse(validation,
                                "description must be at most 1000 bytes");
    }
    if (err == OK && schema != NULL && !json_is(schema, JSON_OBJECT) &&
        !json_is(schema, JSON_BOOL)) {
        buf_printf(validation->why,
                   "schema must be a JSON Schema, which is an object, true or "
                   "false, not %s",
                   json_type_name(schema));
        err = ERR_INVALID;
    }
    return err;
}

static void put_summary(const struct json_value *body, struct str description,
                        int64_t now_ms, struct buf *out)
{
    struct json_writer w = json_writer(out);

    json_open_object(&w, NULL);
    json_put_str(&w, "description", description);
    json_put_bool(&w, "hasExample", json_get(body, "example") != NULL);
    json_put_bool(&w, "hasSchema", json_get(body, "schema") != NULL);
    json_put_i64(&w, "updatedAt", now_ms);
    json_close(&w);
}

// Writes the entry that the body gives to `c->text`.
static enum err read_entry(const struct validation *validation,
                           struct str source, struct entry_change *c)
{
    const struct json_value *body = json_root(c->body);
    int64_t now_ms = clock_now_ms();
    struct str description = STR_EMPTY;
    struct buf summary, whole;
    struct json_writer w = json_writer(&whole);
    enum err err = check_entry(validation, body, &description);

    if (err != OK)
        return err;
    buf_init(&summary, 0);
    buf_init(&whole, 0);
    json_open_object(&w, NULL);
    json_put_str(&w, "description", description);
    err = copy_member(validation, source, "example", &whole, &w);
    if (err == OK)
        err = copy_member(validation, source, "schema", &whole, &w);
    json_put_i64(&w, "updatedAt", now_ms);
    json_close(&w);
    put_summary(body, description, now_ms, &summary);
    kind_entry_put(&(struct kind_entry){ buf_str(&summary), buf_str(&whole) },
                   &c->text);
    buf_clear(&whole);
    buf_clear(&summary);
    return err;
}

static void on_stored(struct api_request *rq,
                      const struct catalog_result *result)
{
    const struct entry_change *c = rq->data;
    uint64_t org_no;

    if (result->err == ERR_TOOBIG) {
        http_fail(rq->http, 409, STR_EMPTY,
                  "this organization has %" PRIu64
                  " kinds in its catalogue, which is the limit "
                  "(max_kinds_per_organization); delete one first",
                  rq->api->config->max_kinds_per_organization);
        return;
    }
    if (result->err != OK) {
        request_fail_store(rq, result->err);
        return;
    }
    audit(rq, "kind described", "org=%s kind=%s", log_quote(c->put.org),
          log_quote(c->put.name));
    if (find_org(rq, &c->put, &org_no))
        (void)answer_entry(rq, org_no, 200);
}

static void begin_put(struct api_request *rq)
{
    struct entry_change *c = rq->data;
    struct catalog_caller caller = change_caller(rq, on_stored);

    c->put.bytes = buf_str(&c->text);
    c->put.max = rq->api->config->max_kinds_per_organization;
    org_value_put(rq->api->hooks, &c->put, &caller);
}

void catalogue_put(struct api_request *rq)
{
    struct entry_change *c = change_new(rq);
    struct validation validation = { .arena = &rq->arena };
    struct buf why;

    if (!read_place(rq, &c->put) || !request_json(rq, &c->body))
        return;
    buf_init(&why, 0);
    validation.why = &why;
    if (read_entry(&validation, rq->http->body, c) == OK) {
        request_change(rq, begin_put, CHANGE_BESIDE);
    } else {
        http_fail(rq->http, 400, STR_EMPTY, "%s", buf_cstr(&why));
    }
    buf_clear(&why);
}

static void on_deleted(struct api_request *rq,
                       const struct catalog_result *result)
{
    struct http_response response = { .status = 204 };
    const struct entry_change *c = rq->data;

    if (result->err == ERR_NOTFOUND) {
        request_fail_missing(rq, PARAM_KIND);
    } else if (result->err != OK) {
        request_fail_store(rq, result->err);
    } else {
        audit(rq, "kind removed from the catalogue", "org=%s kind=%s",
              log_quote(c->put.org), log_quote(c->put.name));
        http_respond(rq->http, &response);
    }
}

static void begin_delete(struct api_request *rq)
{
    struct entry_change *c = rq->data;
    struct catalog_caller caller = change_caller(rq, on_deleted);

    org_value_delete(rq->api->hooks, c->org_no, ORG_EVENT_KIND, c->put.name,
                     ORG_VALUE_ANY, &caller);
}

void catalogue_delete(struct api_request *rq)
{
    struct entry_change *c = change_new(rq);

    if (read_place(rq, &c->put) && find_org(rq, &c->put, &c->org_no))
        request_change(rq, begin_delete, CHANGE_BESIDE);
}
