// SPDX-License-Identifier: MIT
// erasure_routes.c — handlers of the routes that erase an organization, and that tell how
// far that is.

#include <string.h>

#include "api/core/audit.h"
#include "api/tenants/erasing.h"
#include "api/tenants/handlers.h"
#include "api/tenants/inventory.h"
#include "api/tenants/tenant.h"
#include "common/encoding/crypto.h"
#include "common/log/log.h"
#include "common/model/operator.h"

// --- printing ---

static const char *step_name(enum erasure_step step)
{
    switch (step) {
    case ERASE_HOOKS:
        return "webhooks";
    case ERASE_DELIVERIES:
        return "deliveries";
    case ERASE_EVENTS:
        return "events";
    case ERASE_NAMES:
        return "names";
    case ERASE_DONE:
        break;
    }
    return "done";
}

static void put_erasure(const struct api *api, const struct erasure *e,
                        struct json_writer *w)
{
    struct erasure now = *e;
    char id[ID_TEXT_BYTES + 1];

    erasing_count(api, &now);
    id_format(&now.id, id);
    json_open_object(w, NULL);
    json_put_text(w, "id", id);
    if (now.step != ERASE_DONE) {
        json_put_str(w, "organization", erasure_org(&now));
    } else {
        json_put_null(w, "organization");
    }
    json_put_text(w, "step", step_name(now.step));
    json_put_i64(w, "startedAt", now.started_at_ms);
    if (now.ended_at_ms != 0) {
        json_put_i64(w, "endedAt", now.ended_at_ms);
    } else {
        json_put_null(w, "endedAt");
    }
    json_open_object(w, "removed");
    json_put_u64(w, "webhooks", now.counts.hooks);
    json_put_u64(w, "tokens", now.counts.tokens);
    json_put_u64(w, "attempts", now.counts.attempts);
    json_put_u64(w, "events", now.counts.events);
    json_close(w);
    json_close(w);
}

// --- one, and all ---

static void answer_erasure(struct api_request *rq, unsigned status,
                           const struct id *id)
{
    struct http_response response = { .status = status };
    char text[ID_TEXT_BYTES + 1];
    struct erasure e;
    struct buf body;
    struct buf location;
    struct json_writer w = json_writer(&body);
    enum err err = erasure_find(rq->api->hooks, id, &e);

    if (err == ERR_NOTFOUND) {
        request_fail_missing(rq, PARAM_ERASURE);
        return;
    }
    if (err != OK) {
        request_fail_store(rq, err);
        return;
    }
    buf_init(&body, 0);
    buf_init(&location, 0);
    put_erasure(rq->api, &e, &w);
    id_format(id, text);
    if (status == 202) {
        buf_printf(&location, "Location: /api/erasures/%s\r\n", text);
        response.headers = buf_str(&location);
    }
    response.body = buf_str(&body);
    http_respond(rq->http, &response);
    buf_clear(&location);
    buf_clear(&body);
}

void erasures_get(struct api_request *rq)
{
    struct id id;

    if (id_parse(rq->match.params[PARAM_ERASURE], &id) != OK) {
        request_fail_missing(rq, PARAM_ERASURE);
        return;
    }
    answer_erasure(rq, 200, &id);
}

// Erasures are printed when all are read: how far one is, other stores tell.
static bool take(void *data, const struct erasure *e)
{
    struct buf *all = data;

    buf_put(all, e, sizeof(*e));
    return true;
}

void erasures_list(struct api_request *rq)
{
    struct buf all;
    struct buf body;
    struct json_writer w = json_writer(&body);
    enum err err;

    buf_init(&all, 0);
    buf_init(&body, 0);
    err = erasure_each(rq->api->hooks, take, &all);
    json_open_array(&w, NULL);
    for (size_t at = 0; at < all.n_bytes; at += sizeof(struct erasure)) {
        struct erasure e;

        memcpy(&e, all.at + at, sizeof(e));
        put_erasure(rq->api, &e, &w);
    }
    json_close(&w);
    if (err == OK) {
        request_answer(rq, 200, buf_str(&body));
    } else {
        request_fail_store(rq, err);
    }
    buf_clear(&body);
    buf_clear(&all);
}

// --- erasing ---

struct erasure_request {
    struct tenant tenant;
    struct id id;
};

static bool find_running(void *data, const struct erasure *e)
{
    struct erasure_request *r = data;
    bool is_it = e->step != ERASE_DONE && str_eq(erasure_org(e), r->tenant.org);

    if (is_it)
        r->id = e->id;
    return !is_it;
}

static void on_begun(struct api_request *rq,
                     const struct catalog_result *result)
{
    struct erasure_request *r = rq->data;
    enum err err = result->err;

    if (err == OK) {
        audit(rq, "erasure of an organization begun", "org=%s",
              log_quote(r->tenant.org));
        api_hint(rq->api);
        erasing_go_on(rq->api);
    }
    if (err == ERR_EXISTS) // it runs: this is the answer to whoever asks again
        err = erasure_each(rq->api->hooks, find_running, r);
    if (err == OK) {
        answer_erasure(rq, 202, &r->id);
    } else {
        request_fail_store(rq, err);
    }
}

static void begin_erase(struct api_request *rq)
{
    struct erasure_request *r = rq->data;
    struct catalog_caller caller = change_caller(rq, on_begun);

    erasure_begin(rq->api->hooks, r->tenant.org, &r->id, &caller);
}

// Reads `dryRun`. False: it is not valid; the request has been answered.
static bool read_dry(struct api_request *rq, bool *is_dry)
{
    struct buf text;
    enum err err;

    buf_init(&text, 0);
    err = http_query(rq->http, "dryRun", &text);
    *is_dry = err == OK && str_is(buf_str(&text), "true");
    if (err == OK && !*is_dry && !str_is(buf_str(&text), "false"))
        err = ERR_INVALID;
    buf_clear(&text);
    if (err == OK || err == ERR_NOTFOUND)
        return true;
    http_fail(rq->http, 400, STR_EMPTY, "dryRun must be true or false");
    return false;
}

void orgs_erase(struct api_request *rq)
{
    struct erasure_request *r = arena_take(&rq->arena, sizeof(*r));
    uint8_t random[16];
    bool is_dry;

    memset(r, 0, sizeof(*r));
    rq->data = r;
    if (!read_dry(rq, &is_dry) || !tenant_read(rq, &r->tenant))
        return;
    if (operator_is_org(r->tenant.org)) {
        http_fail(rq->http, 409, STR_EMPTY,
                  "the organization " OPERATOR_ORG " is the operator's and is "
                  "not erased: delete its webhooks and revoke its tokens, "
                  "which are admin tokens, one by one");
    } else if (!tenant_is_known(rq, &r->tenant)) {
        request_fail_missing(rq, PARAM_ORG);
    } else if (is_dry) {
        inventory_answer(rq, &r->tenant);
    } else {
        crypto_random(random, sizeof(random));
        r->id = id_v4(random);
        request_change(rq, begin_erase, CHANGE_ALONE);
    }
}
