// SPDX-License-Identifier: MIT
// explain.c — whether hooks want an event, why not, and what they would be sent.
//
// It uses the same match index as delivery, with one hook in it, so that both give the
// same result. Hooks are compared as they are at that moment.
//
// Happy path: the event is read in the first slice, and kept; then hooks are explained
// one after the other, in slices. A request is made and signed as for a delivery, which
// takes longer the larger its body is, so no request is made that the answer has no
// room for.

#include "engine/dispatcher/requests/explain.h"

#include <stdlib.h>

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/codec.h"
#include "common/base/mem.h"
#include "common/config/config.h"
#include "common/encoding/id.h"
#include "common/encoding/json_writer.h"
#include "common/messages/query.h"
#include "common/model/event.h"
#include "common/model/event_kinds.h"
#include "common/model/hook.h"
#include "common/model/operator.h"
#include "common/process/role.h"
#include "engine/delivery/match.h"
#include "engine/delivery/request_body.h"
#include "engine/delivery/request_headers.h"
#include "engine/delivery/scope.h"
#include "engine/dispatcher/deliver/requesters.h"
#include "engine/dispatcher/loop/dispatcher.h"
#include "engine/dispatcher/requests/slices.h"
#include "engine/dispatcher/schedule/hook_state.h"
#include "engine/dispatcher/schedule/hook_table.h"
#include "engine/dispatcher/schedule/schedule.h"
#include "engine/ingest/event_parser.h"
#include "queue/queue.h"

// An answer has room for all hooks of a page, and for requests up to what the query
// allows, but for no more bytes than this: the largest event as a JSON string, which
// may double its length.
#define REQUESTS_MAX_BYTES EXPLAIN_REQUESTS_MAX_BYTES
#define ANSWER_MAX_BYTES   (QUERY_FRAME_MAX_BYTES - 1024)

struct explaining {
    struct sliced sliced; // first: it is cast
    struct dispatcher *d;
    struct arena arena; // holds what the query and its event point to
    struct query query;
    bool is_stored; // the event is in the log, so it has a time of acceptance
    bool is_read;   // `event` is set
    struct event event;
    size_t at;               // bytes of query.text that are done
    size_t requests_at_most; // bytes of the answer, an array of hooks
    bool are_requests_over;  // there was no room for a request
    struct buf text;
    struct json_writer json; // writes `text`
    struct buf request;      // scratch
};

// --- why not ---

// Whether the hook would want the event if it had always existed and been active.
static bool wants(const struct hook *hook, const struct event *event)
{
    struct match_index *index = match_index_new();
    struct hook always = *hook;
    bool is_wanted;

    always.active = true;
    always.from = position_start;
    match_index_put(index, &always, NULL);
    is_wanted = match_wants(index, event);
    match_index_free(index);
    return is_wanted;
}

static void put_filters(uint64_t bits, struct buf *out)
{
    const char *separator = "";

    for (size_t i = 0; i < n_filters; i++) {
        if ((bits & UINT64_C(1) << i) == 0)
            continue;
        buf_printf(out, "%s%s", separator, filters[i].name);
        separator = ", ";
    }
}

static void put_scope_reason(const struct hook_scope *scope,
                             const struct event *event, struct buf *out)
{
    bool is_env = scope->level == LEVEL_ENVIRONMENT;
    struct str target = is_env ? event->env : event->stack;

    if (scope->level == LEVEL_PROJECT) {
        buf_puts(out, "the event is of another project");
        return;
    }
    buf_printf(out, "the webhook is of the %s %.*s/%.*s, the event of ",
               is_env ? "environment" : "stack", STR_ARG(scope->project),
               STR_ARG(scope->target));
    if (target.n_bytes == 0) {
        buf_puts(out, "none");
    } else {
        buf_printf(out, "%.*s/%.*s", STR_ARG(event->project), STR_ARG(target));
    }
}

static void put_filter_reason(const struct hook *hook,
                              const struct event *event, struct buf *out)
{
    if (operator_is_org(hook->scope.org) && !hook->is_operator) {
        buf_puts(out, "the webhook is from before its organization was the "
                      "operator's; it gets events once it is changed");
        return;
    }
    if (kind_is_own(event->kind)) {
        buf_puts(out, "the engine's own events reach only webhooks that name "
                      "them in their filters");
        return;
    }
    buf_printf(out, "none of its filters or groups wants the kind %.*s",
               STR_ARG(event->kind));
    if (event->filters != 0) {
        buf_puts(out, " (filters: ");
        put_filters(event->filters, out);
        buf_putc(out, ')');
    }
}

// Appends why the hook does not get the event; nothing if it gets it.
static void put_reason(const struct explaining *x, const struct hook *hook,
                       const struct event *event, struct buf *out)
{
    if (!scope_holds(&hook->scope, event)) {
        put_scope_reason(&hook->scope, event, out);
    } else if (!wants(hook, event)) {
        put_filter_reason(hook, event, out);
    } else if (hook->disabled == HOOK_GONE) {
        buf_puts(out,
                 "the webhook was switched off: its receiver answered 410");
    } else if (hook->disabled == HOOK_FAILING) {
        buf_puts(out, "the webhook was switched off: it failed for too long");
    } else if (!hook->active) {
        buf_puts(out, "the webhook is inactive");
    } else if (x->is_stored && position_cmp(event->position, hook->from) <= 0) {
        buf_printf(out, "the webhook was %s after the event was accepted",
                   event->accepted_at_us < hook->created_at_ms * 1000
                       ? "created"
                       : "switched on");
    }
}

// --- the request that would be sent ---

static void put_headers(struct str headers, struct request_marks marks,
                        struct json_writer *w)
{
    struct buf value;

    buf_init(&value, 0);
    json_open_object(w, "headers");
    while (headers.n_bytes > 0) {
        struct str line = str_of(headers.at);

        json_put_key(w, (struct str){ line.at, strcspn(line.at, ":") });
        buf_reset(&value);
        request_header_value(line, (marks.secret & 1) != 0, &value);
        json_put_str(w, NULL, buf_str(&value));
        marks.secret >>= 1;
        headers.at += line.n_bytes + 1;
        headers.n_bytes -= line.n_bytes + 1;
    }
    json_close(w);
    buf_clear(&value);
}

static void put_request(struct explaining *x, const struct hook *hook,
                        const struct event *event)
{
    struct dispatcher *d = x->d;
    struct json_writer w = json_writer(&x->request);
    struct rendered rendered;
    struct buf headers;

    if (render(d->renderer, hook, event, &rendered) != OK) {
        json_put_null(&x->json, "request");
        return;
    }
    buf_init(&headers, 0);
    request_headers(hook, event, rendered.body, clock_now_ms(), &headers);
    buf_reset(&x->request);
    json_open_object(&w, NULL);
    json_put_text(&w, "method", rendered.is_get ? "GET" : "POST");
    json_put_str(&w, "url", rendered.url);
    put_headers(buf_str(&headers), request_marks(hook, buf_str(&headers)), &w);
    json_put_str(&w, "body", rendered.body);
    json_close(&w);
    buf_clear(&headers);
    x->are_requests_over =
        x->text.n_bytes + x->request.n_bytes > x->requests_at_most;
    if (!x->are_requests_over)
        json_put_raw(&x->json, "request", buf_str(&x->request));
}

// --- one hook after the other ---

static void put_request_or_why_not(struct explaining *x,
                                   const struct hook *hook)
{
    if (!x->are_requests_over)
        put_request(x, hook, &x->event);
    if (x->are_requests_over) {
        json_put_null(&x->json, "request");
        json_put_text(&x->json, "requestLeftOut",
                      "the answer would be too large; ask about fewer "
                      "webhooks: by limit, or by hook");
    }
}

static void put_hook(struct explaining *x, const struct hook *hook)
{
    bool is_env = hook->scope.level == LEVEL_ENVIRONMENT;
    struct json_writer *w = &x->json;
    struct buf reason;

    buf_init(&reason, 0);
    put_reason(x, hook, &x->event, &reason);
    json_open_object(w, NULL);
    json_put_str(w, "hookName", hook->name);
    json_put_given(w, "displayName", hook->display_name);
    json_put_given(w, "projectName", hook->scope.project);
    json_put_given(w, is_env ? "envName" : "stackName", hook->scope.target);
    json_put_bool(w, "matches", reason.n_bytes == 0);
    if (reason.n_bytes == 0) {
        json_put_null(w, "reason");
    } else {
        json_put_str(w, "reason", buf_str(&reason));
    }
    if (reason.n_bytes == 0 && !x->query.is_dry)
        put_request_or_why_not(x, hook);
    json_close(w);
    buf_clear(&reason);
}

// --- the event ---

static bool on_event(void *data, const struct event *event)
{
    struct explaining *x = data;

    x->event = event_copy(&x->arena, event);
    return false;
}

// Reads an event that is in the query and not in the log; it is checked like a posted
// one.
static enum err read_posted(struct explaining *x, struct buf *why)
{
    const struct event_parser parser = {
        .path = { .dialect = (enum dialect)x->query.dialect,
                  .org = x->query.org,
                  .project = x->query.project },
        .max_event_bytes = x->d->config->max_event_bytes,
        .json = config_json_limits(x->d->config),
        .accepted_at_us = clock_now_us(),
    };
    struct new_event e = { .event = { .accepted_at_us = clock_now_us() } };
    enum err err =
        event_parser_read(&parser, x->query.event, &x->arena, &e, why);
    uint8_t random[16] = { 0 };

    if (err != OK)
        return err;
    e.event.position = position_end;
    if (!e.has_id)
        e.event.id = id_v4(random);
    x->event = e.event;
    return OK;
}

static enum err read_event(struct explaining *x, struct buf *why)
{
    struct position position;
    enum err err;

    if (x->query.event.n_bytes > 0)
        return read_posted(x, why);
    x->is_stored = true;
    err = event_view_find(x->d->events, (enum dialect)x->query.dialect,
                          x->query.org, &x->query.event_id, &position);
    return err == OK ? event_view_get(x->d->events, position, on_event, x)
                     : err;
}

// --- the query ---

static void respond(struct explaining *x, enum err err, struct str text)
{
    const struct reply reply = { .no = x->query.no, .err = err, .text = text };

    requesters_answer_now(x->d, &reply);
}

// Reads the event. False: it is not valid; the query is answered.
static bool read_or_refuse(struct explaining *x)
{
    struct buf why;
    enum err err;

    buf_init(&why, 4096);
    err = read_event(x, &why);
    if (err != OK)
        respond(x, err, buf_str(&why));
    buf_clear(&why);
    x->is_read = true;
    return err == OK;
}

// Explains the next hook. False: there is none.
static bool explain_next(struct explaining *x)
{
    const struct hook_state *f;

    if (x->at + 8 > x->query.text.n_bytes || x->text.overflow)
        return false;
    f = hook_find(&x->d->schedule,
                  get_be64((const uint8_t *)x->query.text.at + x->at));
    x->at += 8;
    if (f != NULL && hook_record(f) != NULL)
        put_hook(x, hook_record(f));
    return true;
}

static bool run(struct sliced *s, int64_t until_us)
{
    struct explaining *x = (struct explaining *)s;

    if (!x->is_read && !read_or_refuse(x))
        return true;
    while (explain_next(x)) {
        if (clock_mono_us() >= until_us)
            return false;
    }
    json_close(&x->json);
    if (x->text.overflow) {
        respond(x, ERR_TOOBIG,
                STR("the answer would be too large: ask about fewer webhooks, "
                    "by limit or by hook"));
    } else {
        respond(x, OK, buf_str(&x->text));
    }
    return true;
}

static void explaining_free(struct sliced *s)
{
    struct explaining *x = (struct explaining *)s;

    buf_clear(&x->request);
    buf_clear(&x->text);
    arena_clear(&x->arena);
    free(x);
}

enum err explain_start(struct dispatcher *d, const struct query *query)
{
    static const struct sliced_kind kind = { run, explaining_free };
    struct explaining *x = xcalloc(1, sizeof(*x));
    uint64_t org_id = 0;
    enum err err;

    x->sliced.kind = &kind;
    x->sliced.n_bytes = query->text.n_bytes + query->event.n_bytes;
    x->d = d;
    x->query = *query;
    x->query.org = arena_copy(&x->arena, query->org);
    x->query.project = arena_copy(&x->arena, query->project);
    x->query.text = arena_copy(&x->arena, query->text);
    x->query.event = arena_copy(&x->arena, query->event);
    buf_init(&x->text, ANSWER_MAX_BYTES);
    x->json = json_writer(&x->text);
    json_open_array(&x->json, NULL);
    x->requests_at_most = x->text.n_bytes + (query->max < REQUESTS_MAX_BYTES
                                                 ? (size_t)query->max
                                                 : REQUESTS_MAX_BYTES);
    buf_init(&x->request, 0);
    err =
        org_number(d->hooks, (enum dialect)query->dialect, query->org, &org_id);
    if (err == OK || err == ERR_NOTFOUND)
        err = slices_add(d, &x->sliced, query, org_id);
    if (err != OK)
        explaining_free(&x->sliced);
    return err;
}
