// SPDX-License-Identifier: MIT
// kind_routes.c — handlers of the routes that list what webhooks can be filtered by: the
// filters that everybody has, and the kinds of an organization's newest events.
//
// Nobody keeps a list of kinds: it would grow with each event of a client that invents
// them. The newest events are looked at, in turns.

#include "api/system/handlers.h"

#include <string.h>

#include "api/core/api_request.h"
#include "api/core/recent_events.h"
#include "api/system/catalogue_routes.h"
#include "common/base/codec.h"
#include "common/model/event_kinds.h"

#define SEEN_MAX 100 // kinds of an organization

static void put_levels(unsigned levels, struct json_writer *w)
{
    static const struct {
        enum level_bit bit;
        const char *name;
    } names[] = { { LEVEL_BIT_ORG, "organization" },
                  { LEVEL_BIT_STACK, "stack" },
                  { LEVEL_BIT_ENV, "environment" } };

    json_open_array(w, "levels");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if ((levels & names[i].bit) != 0)
            json_put_text(w, NULL, names[i].name);
    }
    json_close(w);
}

static void put_group(enum group group, struct json_writer *w)
{
    json_open_object(w, NULL);
    json_put_text(w, "name", group_name(group));
    put_levels(group_levels(group), w);
    json_open_array(w, "filters");
    for (size_t i = 0; i < n_filters; i++) {
        if (filters[i].group != group)
            continue;
        json_open_object(w, NULL);
        json_put_text(w, "name", filters[i].name);
        json_put_text(w, "kind", filters[i].kind);
        put_levels(filters[i].levels, w);
        json_close(w);
    }
    json_close(w);
    json_close(w);
}

void kinds_list(struct api_request *rq)
{
    struct buf body;
    struct json_writer w = json_writer(&body);

    buf_init(&body, 0);
    json_open_object(&w, NULL);
    json_open_array(&w, "groups");
    for (int i = 0; i < GROUPS; i++)
        put_group((enum group)i, &w);
    json_close(&w);
    json_open_array(&w, "own");
    for (size_t i = 0; i < n_own_kinds; i++)
        json_put_text(&w, NULL, own_kinds[i]);
    json_close(&w);
    json_close(&w);
    request_answer(rq, 200, buf_str(&body));
    buf_clear(&body);
}

// --- kinds of an organization ---

struct seen_kind {
    uint64_t hash;
    struct str kind;
    int64_t last_ms;
    uint64_t n_events;
};

struct seen_kinds {
    struct api_request *rq;
    struct recent_events recent;
    struct seen_kind
        kinds[SEEN_MAX]; // as they came: that of the newest event first
    size_t n;
    bool has_more;
};

static struct seen_kind *find_seen(struct seen_kinds *s, uint64_t hash,
                                   struct str kind)
{
    for (size_t i = 0; i < s->n; i++) {
        if (s->kinds[i].hash == hash && str_eq(s->kinds[i].kind, kind))
            return &s->kinds[i];
    }
    return NULL;
}

static bool take_kind(void *data, const struct event *event)
{
    struct seen_kinds *s = data;
    uint64_t hash = hash_here(event->kind, 0);
    struct seen_kind *seen;

    if (!kind_is_custom(event->kind) || kind_is_own(event->kind))
        return true;
    seen = find_seen(s, hash, event->kind);
    if (seen == NULL && s->n == SEEN_MAX) {
        s->has_more = true;
        return false;
    }
    if (seen == NULL) {
        seen = &s->kinds[s->n++];
        *seen =
            (struct seen_kind){ .hash = hash,
                                .kind = arena_copy(&s->rq->arena, event->kind),
                                .last_ms = event->accepted_at_us / 1000 };
    }
    seen->n_events++;
    return true;
}

static void answer_seen(struct seen_kinds *s)
{
    struct buf body;
    struct json_writer w = json_writer(&body);
    enum err err;

    buf_init(&body, 0);
    json_open_object(&w, NULL);
    json_open_array(&w, "kinds");
    for (size_t i = 0; i < s->n; i++) {
        json_open_object(&w, NULL);
        json_put_str(&w, "kind", s->kinds[i].kind);
        json_put_i64(&w, "lastAcceptedAt", s->kinds[i].last_ms);
        json_put_u64(&w, "events", s->kinds[i].n_events);
        json_close(&w);
    }
    json_close(&w);
    err = catalogue_put_list(s->rq, &s->recent.scope, &w);
    json_put_bool(&w, "more", s->has_more);
    if (s->recent.from_ms != 0) {
        json_put_i64(&w, "from", s->recent.from_ms);
    } else {
        json_put_null(&w, "from");
    }
    json_close(&w);
    if (err == OK) {
        request_answer(s->rq, 200, buf_str(&body));
    } else {
        request_fail_store(s->rq, err);
    }
    buf_clear(&body);
}

static bool look(struct api_request *rq, int64_t until_us)
{
    struct seen_kinds *s = rq->data;
    enum err err = recent_events_work(&s->recent, until_us);

    if (err == OK) {
        answer_seen(s);
    } else if (err != ERR_AGAIN) {
        request_fail_store(rq, err);
    }
    return err != ERR_AGAIN;
}

void kinds_list_org(struct api_request *rq)
{
    struct seen_kinds *s = arena_take(&rq->arena, sizeof(*s));
    struct hook_scope scope;
    enum err err;

    memset(s, 0, sizeof(*s));
    s->rq = rq;
    rq->data = s;
    if (!request_org(rq, &scope))
        return;
    scope.level = LEVEL_ORGANIZATION; // all projects of one of Akinon's, too
    s->recent = (struct recent_events){
        .api = rq->api, .scope = scope, .visit = take_kind, .data = s
    };
    err = recent_events_begin(&s->recent);
    if (err != OK) {
        request_fail_store(rq, err);
    } else if (request_count(rq)) {
        request_work(rq, look);
    }
}
