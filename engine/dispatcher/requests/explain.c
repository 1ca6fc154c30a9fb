// SPDX-License-Identifier: MIT
// explain.c — whether hooks want an event, why not, and what they would be sent; which
// events a hook would get that does not exist yet.
//
// Hooks are compared as they are at that moment.
//
// Happy path: the event is read in the first slice, and kept; then hooks are explained
// one after the other, in slices. A request is made and signed as for a delivery, which
// takes longer the larger its body is, so no request is made that the answer has no
// room for.

#include "engine/dispatcher/requests/explain.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/codec.h"
#include "common/base/mem.h"
#include "common/config/config.h"
#include "common/encoding/id.h"
#include "common/encoding/json_writer.h"
#include "common/messages/draft.h"
#include "common/messages/query.h"
#include "common/messages/span.h"
#include "common/model/event.h"
#include "common/model/event_kinds.h"
#include "common/model/hook.h"
#include "common/process/role.h"
#include "engine/delivery/event_facts.h"
#include "engine/delivery/match_reason.h"
#include "engine/delivery/request_body.h"
#include "engine/delivery/request_headers.h"
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
    struct event_facts facts;
    size_t at;               // bytes of query.text that are done
    size_t requests_at_most; // bytes of the answer, an array of hooks
    bool are_requests_over;  // there was no room for a request
    struct buf text;
    struct json_writer json; // writes `text`
    struct buf request;      // scratch
};

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

    if (event->is_locked || event_is_erased(event) ||
        render(d->renderer, hook, event, &rendered) != OK) {
        json_put_null(&x->json, "request");
        return;
    }
    buf_init(&headers, 0);
    request_headers(hook, event, rendered.body,
                    (struct request_of){
                        .at_ms = clock_now_ms(),
                        .n = 1,
                        .sample_percent = (unsigned)d->config->otlp_sample,
                        .has_span = x->is_stored && spans_are_wanted(d->config),
                        .signers = d->signers,
                        .origin = str_of(d->config->webhook_origin) },
                    &headers);
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

// The filters of the table that the event is for; of another kind, the kind itself.
static void put_fitting_filters(struct json_writer *w,
                                const struct event *event)
{
    json_open_array(w, "fittingFilters");
    for (size_t i = 0; i < n_filters; i++) {
        if ((event->filters & UINT64_C(1) << i) != 0)
            json_put_text(w, NULL, filters[i].name);
    }
    if (event->filters == 0)
        json_put_str(w, NULL, event->kind);
    json_close(w);
}

static void put_hook(struct explaining *x, const struct hook *hook)
{
    bool is_env = hook->scope.level == LEVEL_ENVIRONMENT;
    struct json_writer *w = &x->json;
    const char *code;
    struct buf reason;

    buf_init(&reason, 0);
    code = match_put_reason(hook, &x->facts, x->is_stored, &reason);
    json_open_object(w, NULL);
    json_put_str(w, "hookName", hook->name);
    json_put_given(w, "displayName", hook->display_name);
    json_put_given(w, "projectName", hook->scope.project);
    json_put_given(w, is_env ? "envName" : "stackName", hook->scope.target);
    json_put_bool(w, "matches", code == NULL);
    if (code == NULL) {
        json_put_null(w, "reason");
    } else {
        json_put_str(w, "reason", buf_str(&reason));
        json_put_text(w, "reasonCode", code);
        if (strcmp(code, "filters") == 0)
            put_fitting_filters(w, &x->event);
    }
    if (code == NULL && !x->query.is_dry)
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
    event_facts_begin(&x->facts, &x->event);
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
    event_facts_clear(&x->facts);
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

// --- a hook that does not exist yet ---

struct judging {
    struct sliced sliced; // first: it is cast
    struct dispatcher *d;
    struct arena arena; // holds what the query and the hook point to
    uint64_t no;        // of the query
    struct hook hook;
    struct event_facts facts;
    struct str positions; // 8 bytes each
    size_t at;            // bytes of them that are done
    struct buf text;
    struct json_writer json; // writes `text`
};

static bool judge_event(void *data, const struct event *event)
{
    struct judging *j = data;
    const char *code;
    struct buf reason;

    buf_init(&reason, 0);
    event_facts_begin(&j->facts, event);
    code = match_put_reason(&j->hook, &j->facts, true, &reason);
    event_facts_end(&j->facts); // it points into the log
    if (code == NULL) {
        json_put_null(&j->json, NULL);
    } else {
        json_open_object(&j->json, NULL);
        json_put_str(&j->json, "why", buf_str(&reason));
        json_put_text(&j->json, "whyCode", code);
        json_close(&j->json);
    }
    buf_clear(&reason);
    return false;
}

static void judge_next(struct judging *j)
{
    struct position position;

    memcpy(position.bytes, j->positions.at + j->at, sizeof(position.bytes));
    j->at += sizeof(position.bytes);
    if (event_view_get(j->d->events, position, judge_event, j) != OK) {
        json_open_object(&j->json, NULL);
        json_put_text(&j->json, "why",
                      "the event was removed by retention meanwhile");
        json_close(&j->json);
    }
}

static bool judge(struct sliced *s, int64_t until_us)
{
    struct judging *j = (struct judging *)s;
    struct reply reply = { .no = j->no };

    while (j->at < j->positions.n_bytes) {
        judge_next(j);
        if (clock_mono_us() >= until_us)
            return false;
    }
    json_close(&j->json);
    reply.text = buf_str(&j->text);
    requesters_answer_now(j->d, &reply);
    return true;
}

static void judging_free(struct sliced *s)
{
    struct judging *j = (struct judging *)s;

    buf_clear(&j->text);
    event_facts_clear(&j->facts);
    arena_clear(&j->arena);
    free(j);
}

enum err explain_draft_start(struct dispatcher *d, const struct query *query)
{
    static const struct sliced_kind kind = { judge, judging_free };
    struct judging *j = xcalloc(1, sizeof(*j));
    uint64_t org_id = 0;
    enum err err;

    j->sliced.kind = &kind;
    j->sliced.n_bytes = query->text.n_bytes + query->event.n_bytes;
    j->d = d;
    j->no = query->no;
    j->positions = arena_copy(&j->arena, query->text);
    buf_init(&j->text, 0);
    j->json = json_writer(&j->text);
    json_open_array(&j->json, NULL);
    err =
        draft_unpack(arena_copy(&j->arena, query->event), &j->arena, &j->hook);
    if (err == OK && (query->text.n_bytes % 8 != 0 ||
                      query->text.n_bytes / 8 > DRAFT_EVENTS_MAX)) {
        err = ERR_CORRUPT;
    }
    if (err == OK) {
        err = org_number(d->hooks, (enum dialect)query->dialect, query->org,
                         &org_id);
    }
    if (err == OK || err == ERR_NOTFOUND)
        err = slices_add(d, &j->sliced, query, org_id);
    if (err != OK)
        judging_free(&j->sliced);
    return err;
}
