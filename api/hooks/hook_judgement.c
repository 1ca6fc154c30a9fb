// SPDX-License-Identifier: MIT
// hook_judgement.c — which of the newest events a hook would get that is only a draft.
//
// Happy path: the newest events of its scope are found here, in turns; then a dispatcher
// says of each whether the hook would get it, by the code that matches events for
// deliveries.
//
// If it fails: without a dispatcher the answer is 503, as for explanations.

#include "api/hooks/hook_judgement.h"

#include <string.h>

#include "api/core/recent_events.h"
#include "common/config/config_types.h"
#include "common/messages/draft.h"

#define REPLY_WITHIN_MS 5000

struct judgement {
    struct api_request *rq;
    void *outer_data; // of the request, as it was before
    void (*outer_free)(struct api_request *rq);
    struct hook_scope scope;
    struct str draft;   // the hook, packed
    struct str printed; // the hook, as JSON
    struct recent_events recent;
    size_t n_events, max;
    struct event events[DRAFT_EVENTS_MAX]; // in the arena, without payloads
    struct buf positions;                  // of them, 8 bytes each
    struct buf body;
};

bool judgement_read(struct api_request *rq, bool is_dry, size_t *n_events)
{
    struct buf text;
    uint64_t n = 0;
    enum err err;

    buf_init(&text, 0);
    err = http_query(rq->http, "events", &text);
    if (err == OK)
        err = config_read_count(buf_str(&text), 1, DRAFT_EVENTS_MAX, &n);
    buf_clear(&text);
    *n_events = (size_t)n;
    if (err == ERR_INVALID) {
        http_fail(rq->http, 400, STR_EMPTY, "events must be 1 to %d",
                  DRAFT_EVENTS_MAX);
    } else if (n > 0 && !is_dry) {
        http_fail(rq->http, 400, STR_EMPTY,
                  "events is a parameter of dry runs: send dryRun=true, too");
    }
    if (err == ERR_INVALID || (n > 0 && !is_dry))
        return false;
    // A change needs no right to read; what the events are, does.
    return n == 0 || auth_check_grant(rq->http, rq->match.params[PARAM_ORG],
                                      AUTH_READ, &rq->grant);
}

// --- the answer ---

static void put_event(const struct event *event, const struct json_value *why,
                      struct json_writer *w)
{
    char id[ID_TEXT_BYTES + 1];

    id_format(&event->id, id);
    json_open_object(w, NULL);
    json_put_text(w, "id", id);
    json_put_str(w, "kind", event->kind);
    json_put_i64(w, "acceptedAt", event->accepted_at_us / 1000);
    json_put_given(w, "projectName", event->project);
    json_put_given(w, "stackName", event->stack);
    json_put_given(w, "envName", event->env);
    json_put_bool(w, "wouldGet", json_is(why, JSON_NULL));
    if (json_is(why, JSON_NULL)) {
        json_put_null(w, "why");
    } else {
        json_put_str(w, "why", json_str(json_get(why, "why")));
        json_put_given(w, "whyCode", json_str(json_get(why, "whyCode")));
    }
    json_close(w);
}

// `verdicts` is an array with an element for each event.
static void respond(struct judgement *j, const struct json_value *verdicts)
{
    struct json_writer w = json_writer(&j->body);
    struct json_iter verdict = json_iter(verdicts);

    json_open_object(&w, NULL);
    json_put_contents(&w, j->printed);
    json_open_array(&w, "recentEvents");
    for (size_t i = 0; i < j->n_events; i++)
        put_event(&j->events[i], json_next(&verdict, NULL), &w);
    json_close(&w);
    if (j->recent.from_ms != 0) {
        json_put_i64(&w, "recentEventsFrom", j->recent.from_ms);
    } else {
        json_put_null(&w, "recentEventsFrom");
    }
    json_close(&w);
    request_answer(j->rq, 200, buf_str(&j->body));
}

static void on_verdicts(struct api_request *rq, uint64_t hook_id,
                        const struct reply *reply)
{
    struct judgement *j = rq->data;
    struct json *verdicts = NULL;
    struct buf why;

    (void)hook_id;
    buf_init(&why, 0);
    if (reply->err == OK &&
        json_parse(reply->text, &json_no_limits, &verdicts, &why) == OK &&
        json_size(json_root(verdicts)) == j->n_events) {
        respond(j, json_root(verdicts));
    } else {
        http_fail(rq->http, 503, STR("Retry-After: 1\r\n"),
                  "a dispatcher did not say which events this webhook would "
                  "get; try again");
    }
    json_free(verdicts);
    buf_clear(&why);
}

// --- the events ---

static bool take_event(void *data, const struct event *event)
{
    struct judgement *j = data;
    struct event brief = *event;

    brief.payload = STR_EMPTY;
    j->events[j->n_events++] = event_copy(&j->rq->arena, &brief);
    buf_put(&j->positions, event->position.bytes,
            sizeof(event->position.bytes));
    return j->n_events < j->max;
}

static bool work(struct api_request *rq, int64_t until_us)
{
    struct judgement *j = rq->data;
    struct query query = { .what = QUERY_DRAFT,
                           .dialect = j->scope.dialect,
                           .org = j->scope.org,
                           .event = j->draft };
    enum err err = recent_events_work(&j->recent, until_us);

    if (err == ERR_AGAIN)
        return false;
    if (err != OK) {
        request_fail_store(rq, err);
        return true;
    }
    query.text = buf_str(&j->positions);
    request_uncount(rq);
    query_shard(rq, 0, query, REPLY_WITHIN_MS, on_verdicts);
    return true;
}

static void on_free(struct api_request *rq)
{
    struct judgement *j = rq->data;

    buf_clear(&j->positions);
    buf_clear(&j->body);
    rq->data = j->outer_data;
    if (j->outer_free != NULL)
        j->outer_free(rq);
}

void judgement_answer(struct api_request *rq, const struct hook *hook,
                      struct str printed, size_t n_events)
{
    struct judgement *j = arena_take(&rq->arena, sizeof(*j));
    struct buf draft;
    enum err err;

    memset(j, 0, sizeof(*j));
    j->rq = rq;
    j->scope = hook->scope;
    j->scope.org = arena_copy(&rq->arena, hook->scope.org);
    j->scope.project = arena_copy(&rq->arena, hook->scope.project);
    j->scope.target = arena_copy(&rq->arena, hook->scope.target);
    j->printed = arena_copy(&rq->arena, printed);
    j->max = n_events;
    buf_init(&draft, 0);
    draft_pack(hook, &draft);
    j->draft = arena_copy(&rq->arena, buf_str(&draft));
    buf_clear(&draft);
    buf_init(&j->positions, 0);
    buf_init(&j->body, 0);
    j->outer_data = rq->data;
    j->outer_free = rq->on_free;
    rq->data = j;
    rq->on_free = on_free;
    j->recent = (struct recent_events){
        .api = rq->api, .scope = j->scope, .visit = take_event, .data = j
    };
    err = recent_events_begin(&j->recent);
    if (err != OK) {
        request_fail_store(rq, err);
    } else if (request_count(rq)) {
        request_work(rq, work);
    }
}
