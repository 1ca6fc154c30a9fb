// SPDX-License-Identifier: MIT
// recent_events.c — the newest events of an organization, or of one of its places.

#include "api/core/recent_events.h"

#include <string.h>

#include "api/core/api_request.h"
#include "common/base/clock.h"

#define BYTES_MAX         ((size_t)64 << 20) // of the events that are looked at
#define EVENTS_AT_ONCE    200                // in one read of the log
#define ATTEMPTS_COST_MAX 500                // in one read of a history

enum err recent_events_begin(struct recent_events *r)
{
    r->before = position_end;
    r->from_ms = clock_now_ms();
    return org_number(r->api->hooks, r->scope.dialect, r->scope.org,
                      &r->org_id);
}

// --- the log ---

static bool on_event(void *data, const struct event *event)
{
    struct recent_events *r = data;

    r->n_looked++;
    r->n_bytes += event->payload.n_bytes;
    if (hook_scope_holds(&r->scope, event)) {
        r->from_ms = event->accepted_at_us / 1000;
        r->is_over = !r->visit(r->data, event);
    }
    return !r->is_over && r->n_looked < RECENT_LOOKED_MAX &&
           r->n_bytes < BYTES_MAX && clock_mono_us() < r->until_us;
}

static enum err search_log(struct recent_events *r)
{
    struct event_scan_back scan = { .before = r->before,
                                    .max = EVENTS_AT_ONCE };
    enum err err = event_view_scan_back(r->api->events, &scan, on_event, r);

    if (err != OK)
        return err;
    r->before = scan.last;
    r->is_log_done = scan.is_end || r->n_looked >= RECENT_LOOKED_MAX ||
                     r->n_bytes >= BYTES_MAX;
    if (scan.is_end && !r->is_over) {
        r->from_ms = 0;
        r->is_over = true; // there is nothing older
    }
    return OK;
}

// --- the history ---

// Keeps the newest candidates, each once, in order.
static void add_candidate(struct recent_events *r, struct position position)
{
    size_t at = r->n_candidates;

    while (at > 0 && position_cmp(r->candidates[at - 1], position) < 0)
        at--;
    if (at == RECENT_CANDIDATES_MAX ||
        (at > 0 && position_cmp(r->candidates[at - 1], position) == 0))
        return;
    if (r->n_candidates < RECENT_CANDIDATES_MAX)
        r->n_candidates++;
    memmove(&r->candidates[at + 1], &r->candidates[at],
            (r->n_candidates - at - 1) * sizeof(position));
    r->candidates[at] = position;
}

static bool on_attempt(void *data, uint64_t no, const struct attempt *attempt)
{
    struct recent_events *r = data;

    (void)no;
    r->n_attempts++;
    if (position_is_stored(attempt->position) &&
        position_cmp(attempt->position, r->before) < 0)
        add_candidate(r, attempt->position);
    return true;
}

// Looks at some of the organization's newest attempts in the shard.
static enum err search_history(struct recent_events *r)
{
    struct history_query query = { .owner_no = r->org_id,
                                   .from_no = r->from_no,
                                   .max_rows = ATTEMPTS_COST_MAX,
                                   .until_us = r->until_us };
    enum err err =
        history_scan(r->api->shards[r->shard], &query, on_attempt, r);

    r->from_no = query.last_no;
    if (query.is_end || r->n_attempts >= RECENT_ATTEMPTS_MAX) {
        r->shard++;
        r->from_no = 0;
        r->n_attempts = 0;
    }
    return err;
}

// --- the candidates ---

static bool on_candidate(void *data, const struct event *event)
{
    struct recent_events *r = data;

    if (hook_scope_holds(&r->scope, event))
        r->is_over = !r->visit(r->data, event);
    return false;
}

static enum err take_candidate(struct recent_events *r)
{
    enum err err =
        event_view_get(r->api->events, r->candidates[r->at++], on_candidate, r);

    // Retention has removed it, or it is damaged: it is left out.
    return err == ERR_NOTFOUND || err == ERR_CORRUPT ? OK : err;
}

// One step. ERR_AGAIN: there are more.
static enum err step(struct recent_events *r)
{
    enum err err;

    if (!r->is_log_done) {
        err = search_log(r);
    } else if (r->org_id != 0 && r->shard < r->api->n_shards) {
        err = search_history(r);
    } else if (r->at < r->n_candidates) {
        err = take_candidate(r);
    } else {
        return OK;
    }
    if (err == OK && !r->is_over)
        err = ERR_AGAIN;
    return err;
}

enum err recent_events_work(struct recent_events *r, int64_t until_us)
{
    enum err err;

    r->until_us = until_us;
    do {
        err = step(r);
    } while (err == ERR_AGAIN && clock_mono_us() < until_us);
    return err;
}
