// SPDX-License-Identifier: MIT
// inventory.c — what there is of an organization, counted.
//
// Nobody keeps these numbers: webhooks, the index of the organization's attempts and the
// whole event log are walked through, a little in each turn of the loop.

#include "api/tenants/inventory.h"

#include <string.h>

#include "common/base/clock.h"

#define HOOKS_AT_ONCE    100 // in one read of the store
#define ATTEMPTS_AT_ONCE 2000
#define EVENTS_AT_ONCE   200
#define DEAD_AT_ONCE     100000 // of a hook; one with more counts as having these

struct inventory {
    struct api *api;
    struct tenant tenant;
    size_t i_dialect; // of the hooks that are counted, then of the attempts
    struct buf after; // the hook that was counted last
    bool are_hooks_done, are_attempts_done;
    unsigned shard;
    uint64_t from_no;       // of its history
    struct position passed; // of the log
    size_t n_in_read;
    int64_t until_us;
    uint64_t n_hooks, n_tokens, n_dead, n_attempts, n_events, n_bytes;
};

static void on_free(struct api_request *rq)
{
    struct inventory *v = rq->data;

    buf_clear(&v->after);
}

// --- hooks ---

static bool on_hook(void *data, const struct hook *hook)
{
    struct inventory *v = data;
    size_t n_dead = 0;

    if (shard_view_dead(
            v->api->shards[queue_shard_of(hook->no, v->api->n_shards)],
            hook->no, DEAD_AT_ONCE, &n_dead) == OK)
        v->n_dead += n_dead;
    v->n_hooks++;
    buf_reset(&v->after);
    hook_cursor_put(hook, &v->after);
    return ++v->n_in_read < HOOKS_AT_ONCE;
}

static enum err count_hooks(struct inventory *v)
{
    struct buf after;
    enum err err;

    buf_init(&after, 0);
    buf_put_str(&after, buf_str(&v->after));
    v->n_in_read = 0;
    err = hook_list_org(v->api->hooks, tenant_dialect(v->i_dialect),
                        v->tenant.org, buf_str(&after), on_hook, v);
    buf_clear(&after);
    if (v->n_in_read < HOOKS_AT_ONCE) {
        buf_reset(&v->after);
        v->i_dialect++;
    }
    v->are_hooks_done = v->i_dialect == 2;
    return err;
}

static bool on_token(void *data, const struct token *token)
{
    struct inventory *v = data;

    (void)token;
    v->n_tokens++;
    return true;
}

// --- attempts, events ---

static enum err count_attempts(struct inventory *v)
{
    uint64_t org_no = v->tenant.org_nos[v->i_dialect];
    uint64_t n = 0;
    bool is_end = true;
    enum err err = OK;

    if (org_no != 0) {
        err = history_count(v->api->shards[v->shard], org_no, &v->from_no,
                            ATTEMPTS_AT_ONCE, &n, &is_end);
    }
    v->n_attempts += n;
    if (is_end) {
        v->from_no = 0;
        v->shard++;
    }
    if (v->shard == v->api->n_shards) {
        v->shard = 0;
        v->i_dialect++;
    }
    v->are_attempts_done = v->i_dialect == 2;
    return err;
}

static bool on_event(void *data, const struct event *event)
{
    struct inventory *v = data;

    if (str_eq(event->org, v->tenant.org)) {
        v->n_events++;
        v->n_bytes += event->payload.n_bytes;
    }
    return clock_mono_us() < v->until_us;
}

// True in `is_end`: all events are counted.
static enum err count_events(struct inventory *v, bool *is_end)
{
    struct event_scan scan = { .after = v->passed, .max = EVENTS_AT_ONCE };
    enum err err = event_view_scan(v->api->events, &scan, on_event, v);

    *is_end = position_cmp(scan.last, v->passed) == 0;
    v->passed = scan.last;
    return err;
}

// --- the answer ---

static void answer(struct api_request *rq)
{
    const struct inventory *v = rq->data;
    uint64_t n_waiting = 0;
    struct buf body;
    struct json_writer w = json_writer(&body);

    for (size_t i = 0; i < 2; i++) {
        struct org_backlog b;

        if (v->tenant.org_nos[i] == 0)
            continue;
        backlog_of_org(rq->api->backlogs, v->tenant.org_nos[i], &b);
        n_waiting += b.n_rows;
    }
    buf_init(&body, 0);
    json_open_object(&w, NULL);
    json_put_str(&w, "organization", v->tenant.org);
    json_put_u64(&w, "webhooks", v->n_hooks);
    json_put_u64(&w, "tokens", v->n_tokens);
    json_put_u64(&w, "waiting", n_waiting);
    json_put_u64(&w, "dead", v->n_dead);
    json_put_u64(&w, "attempts", v->n_attempts);
    json_put_u64(&w, "events", v->n_events);
    json_put_u64(&w, "payloadBytes", v->n_bytes);
    json_close(&w);
    request_answer(rq, 200, buf_str(&body));
    buf_clear(&body);
}

static bool work(struct api_request *rq, int64_t until_us)
{
    struct inventory *v = rq->data;
    bool is_end = false;
    enum err err = OK;

    v->until_us = until_us;
    do {
        if (!v->are_hooks_done) {
            err = count_hooks(v);
            if (v->are_hooks_done)
                v->i_dialect = 0;
        } else if (!v->are_attempts_done) {
            err = count_attempts(v);
        } else {
            err = count_events(v, &is_end);
        }
    } while (err == OK && !is_end && clock_mono_us() < until_us);
    if (err == OK && !is_end)
        return false;
    if (err == OK) {
        answer(rq);
    } else {
        request_fail_store(rq, err);
    }
    return true;
}

void inventory_answer(struct api_request *rq, const struct tenant *tenant)
{
    struct inventory *v;
    struct tenant kept = *tenant;
    enum err err;

    if (!request_count(rq))
        return;
    v = arena_take(&rq->arena, sizeof(*v));
    memset(v, 0, sizeof(*v));
    v->api = rq->api;
    v->tenant = kept;
    v->passed = position_start;
    buf_init(&v->after, 0);
    rq->data = v;
    rq->on_free = on_free;
    err = token_list(rq->api->tokens, kept.org, on_token, v);
    if (err != OK) {
        request_fail_store(rq, err);
        return;
    }
    request_work(rq, work);
}
