// SPDX-License-Identifier: MIT
// export.c — handler of the route that hands out everything of an organization.
//
// Happy path: where the log and the histories end is noted, then webhooks, tokens, places,
// events and attempts are walked through, a little in each turn of the loop, while the
// client reads. One piece is in memory at a time.
//
// If it fails (a store cannot be read, the organization is erased meanwhile, the token
// ends), the connection is reset, and the last line is missing.

#include "api/tenants/export_lines.h"

#include <string.h>

#include "api/core/audit.h"
#include "api/tenants/handlers.h"
#include "common/base/clock.h"
#include "common/log/log.h"

#define TURN_US        2000
#define HOOKS_AT_ONCE  50
#define PLACES_AT_ONCE 500
#define EVENTS_AT_ONCE 200
#define ROWS_AT_ONCE   500 // as history_query counts
#define PROGRESS_EVERY_US \
    INT64_C(5000000) // proxies end what is silent for longer
#define EXPORT_TYPE "application/x-ndjson"

static void on_free(struct api_request *rq)
{
    struct export *x = rq->data;

    buf_clear(&x->headers);
    buf_clear(&x->after);
}

static bool is_full(const struct export *x)
{
    return x->out->n_bytes >= HTTP_PIECE_BYTES;
}

// --- hooks, tokens, places ---

static bool on_hook(void *data, const struct hook *hook)
{
    struct export *x = data;

    export_put_hook(x, hook);
    x->counts[EXPORT_HOOKS]++;
    buf_reset(&x->after);
    hook_cursor_put(hook, &x->after);
    return ++x->n_in_read < HOOKS_AT_ONCE && !is_full(x);
}

static enum err read_hooks(struct export *x)
{
    struct buf after;
    uint64_t n_before = x->counts[EXPORT_HOOKS];
    enum err err;

    buf_init(&after, 0);
    buf_put_str(&after, buf_str(&x->after));
    x->n_in_read = 0;
    err = hook_list_org(x->rq->api->hooks, tenant_dialect(x->i_dialect),
                        x->tenant.org, buf_str(&after), on_hook, x);
    buf_clear(&after);
    if (x->counts[EXPORT_HOOKS] == n_before) {
        buf_reset(&x->after);
        x->i_dialect++;
    }
    x->is_step_done = x->i_dialect == 2;
    return err;
}

// Tokens have no cursor: those before are passed over. An organization has few.
static bool on_token(void *data, const struct token *token)
{
    struct export *x = data;

    if (x->n_in_read++ < x->counts[EXPORT_TOKENS])
        return true;
    if (is_full(x)) {
        x->is_step_done = false;
        return false;
    }
    export_put_token(x, token);
    x->counts[EXPORT_TOKENS]++;
    return true;
}

static enum err read_tokens(struct export *x)
{
    x->n_in_read = 0;
    x->is_step_done = true;
    if (!x->rq->grant.is_admin)
        return OK; // as in the list of tokens
    return token_list(x->rq->api->tokens, x->tenant.org, on_token, x);
}

static void on_place(void *data, const struct stack_name *name)
{
    struct export *x = data;

    export_put_place(x, name);
    x->counts[x->step]++;
}

static enum err read_places(struct export *x)
{
    const struct stack_query query = { .is_env = x->step == EXPORT_ENVIRONMENTS,
                                       .org = x->tenant.org };
    enum err err = stack_list(x->rq->api->stacks, &query, PLACES_AT_ONCE,
                              &x->after, on_place, x);

    x->is_step_done = x->after.n_bytes == 0;
    return err;
}

// --- its catalogue of kinds ---

static bool on_kind(void *data, const struct org_value *entry)
{
    struct export *x = data;

    export_put_kind(x, entry);
    x->counts[EXPORT_KINDS]++;
    buf_reset(&x->after);
    buf_put_str(&x->after, entry->name);
    return !is_full(x);
}

static enum err read_kinds(struct export *x)
{
    uint64_t org_no = x->tenant.org_nos[x->i_dialect];
    uint64_t n_before = x->counts[EXPORT_KINDS];
    struct buf after;
    enum err err = OK;

    buf_init(&after, 0);
    buf_put_str(&after, buf_str(&x->after));
    if (org_no != 0) {
        err = org_value_each(x->rq->api->hooks, ORG_EVENT_KIND, org_no,
                             buf_str(&after), on_kind, x);
    }
    buf_clear(&after);
    if (x->counts[EXPORT_KINDS] == n_before) {
        buf_reset(&x->after);
        x->i_dialect++;
    }
    x->is_step_done = x->i_dialect == 2;
    return err;
}

// --- events, attempts ---

static bool on_event(void *data, const struct event *event)
{
    struct export *x = data;

    if (position_cmp(event->position, x->end) > 0)
        return false;
    if (str_eq(event->org, x->tenant.org)) {
        export_put_event(x, event);
        x->counts[EXPORT_EVENTS]++;
    }
    return !is_full(x) && clock_mono_us() < x->until_us;
}

static enum err read_events(struct export *x)
{
    struct event_scan scan = { .after = x->passed, .max = EVENTS_AT_ONCE };
    enum err err = event_view_scan(x->rq->api->events, &scan, on_event, x);

    x->is_step_done = position_cmp(scan.last, x->passed) == 0 ||
                      position_cmp(scan.last, x->end) >= 0;
    x->passed = scan.last;
    x->n_damaged += scan.n_damaged;
    return err;
}

static bool on_attempt(void *data, uint64_t no, const struct attempt *attempt)
{
    struct export *x = data;

    x->is_shard_done = no >= x->end_nos[x->shard];
    if (x->is_shard_done || is_full(x))
        return false;
    export_put_attempt(x, attempt);
    x->counts[EXPORT_ATTEMPTS]++;
    return true;
}

static enum err read_attempts(struct export *x)
{
    struct history_query query = { .owner_no = x->tenant.org_nos[x->i_dialect],
                                   .oldest_first = true,
                                   .from_no = x->from_no,
                                   .max_rows = ROWS_AT_ONCE,
                                   .until_us = x->until_us };
    bool is_end = query.owner_no == 0;
    enum err err = OK;

    if (!is_end) {
        x->is_shard_done = false;
        err = history_scan(x->rq->api->shards[x->shard], &query, on_attempt, x);
        is_end = query.is_end || x->is_shard_done;
        x->from_no = query.last_no;
    }
    if (is_end) {
        x->from_no = 0;
        x->shard++;
    }
    if (x->shard == x->rq->api->n_shards) {
        x->shard = 0;
        x->i_dialect++;
    }
    x->is_step_done = x->i_dialect == 2;
    return err;
}

// --- the answer ---

// Whether the organization is still the one that the export began with, and may be shown.
static bool may_go_on(struct export *x)
{
    struct hook_store *hooks = x->rq->api->hooks;
    bool is_leaving = true;

    if (!request_is_allowed(x->rq) ||
        erasure_is_of(hooks, x->tenant.org, &is_leaving) != OK || is_leaving)
        return false;
    for (size_t i = 0; i < 2; i++) {
        uint64_t no = x->tenant.org_nos[i];
        uint64_t no_now = 0;

        if (no != 0 && (org_number(hooks, tenant_dialect(i), x->tenant.org,
                                   &no_now) != OK ||
                        no_now != no))
            return false;
    }
    return true;
}

static enum err read_step(struct export *x)
{
    switch (x->step) {
    case EXPORT_HOOKS:
        return read_hooks(x);
    case EXPORT_TOKENS:
        return read_tokens(x);
    case EXPORT_STACKS:
    case EXPORT_ENVIRONMENTS:
        return read_places(x);
    case EXPORT_KINDS:
        return read_kinds(x);
    case EXPORT_EVENTS:
        return read_events(x);
    case EXPORT_ATTEMPTS:
        return read_attempts(x);
    case EXPORT_DONE:
        break;
    }
    return OK;
}

static enum err work(struct export *x)
{
    enum err err = OK;

    do {
        x->is_step_done = false;
        err = read_step(x);
        if (x->is_step_done) {
            x->step++;
            x->i_dialect = 0;
        }
    } while (err == OK && x->step != EXPORT_DONE && !is_full(x) &&
             clock_mono_us() < x->until_us);
    return err;
}

static enum http_more next(void *data, struct buf *out)
{
    struct api_request *rq = data;
    struct export *x = rq->data;
    enum err err = ERR_DENIED;

    x->out = out;
    x->until_us = clock_mono_us() + TURN_US;
    if (may_go_on(x))
        err = work(x);
    if (err != OK) {
        log_warn("an export of an organization ends early", "org=%s reason=%s",
                 log_quote(x->tenant.org), log_quote(str_of(err_str(err))));
        return HTTP_FAILED;
    }
    if (x->step == EXPORT_DONE) {
        export_put_end(x);
        return HTTP_LAST;
    }
    if (out->n_bytes == 0 && clock_mono_us() - x->said_us > PROGRESS_EVERY_US)
        export_put_progress(x);
    if (out->n_bytes > 0)
        x->said_us = clock_mono_us();
    return HTTP_MORE;
}

// Notes where the log and the histories end now: what comes later is not exported.
static enum err find_ends(struct export *x)
{
    const struct api *api = x->rq->api;
    enum err err = event_view_end(api->events, &x->end);

    for (unsigned k = 0; k < api->n_shards && err == OK; k++)
        err = history_end(api->shards[k], &x->end_nos[k]);
    return err;
}

static void begin(struct api_request *rq, const struct tenant *tenant)
{
    struct http_response response = { .status = 200,
                                      .content_type = STR(EXPORT_TYPE) };
    struct export *x = arena_take(&rq->arena, sizeof(*x));
    struct buf first;
    enum err err;

    memset(x, 0, sizeof(*x));
    x->rq = rq;
    x->tenant = *tenant;
    x->passed = position_start;
    x->said_us = clock_mono_us();
    x->out = &first;
    buf_init(&first, 0);
    buf_init(&x->after, 0);
    buf_init(&x->headers, 0);
    rq->data = x;
    rq->on_free = on_free;
    err = find_ends(x);
    if (err == OK) {
        audit(rq, "organization exported", "org=%s", log_quote(tenant->org));
        export_put_begin(x);
        response.body = buf_str(&first);
        request_answer_pieces(rq, &response, next);
    } else {
        request_fail_store(rq, err);
    }
    buf_clear(&first);
}

void orgs_export(struct api_request *rq)
{
    struct tenant tenant;

    if (!tenant_read(rq, &tenant))
        return;
    if (!tenant_is_known(rq, &tenant)) {
        request_fail_missing(rq, PARAM_ORG);
    } else if (request_count(rq)) {
        begin(rq, &tenant);
    }
}
