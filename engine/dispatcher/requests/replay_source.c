// SPDX-License-Identifier: MIT
// replay_source.c — which deliveries a replay sends, read some at a time.
//
// There are three sources. Each is read in the order of a number, so that a replay goes
// on after a restart where it was:
//   the history of the hook, oldest first, as its filter wants it;
//   a list of ids;
//   the event log, for events that the hook never got: those that it would get now, that
//   it has no attempt of, and that do not wait for it either.

#include "engine/dispatcher/requests/replay_source.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/codec.h"
#include "common/base/mem.h"
#include "common/encoding/id.h"
#include "common/log/log.h"
#include "common/model/delivery.h"
#include "common/model/event.h"
#include "common/model/hook.h"
#include "common/model/replay.h"
#include "engine/delivery/match.h"
#include "engine/dispatcher/loop/dispatcher.h"
#include "engine/dispatcher/record/replay_progress.h"
#include "engine/dispatcher/schedule/delivery_table.h"
#include "engine/dispatcher/schedule/hook_state.h"
#include "engine/dispatcher/schedule/schedule.h"
#include "queue/queue.h"

#define COST_AT_ONCE   4000 // limit of one scan of the history
#define EVENTS_AT_ONCE 64
#define IDS_AT_ONCE    16
#define ROWS_AT_ONCE   256

struct reading {
    struct dispatcher *d;
    struct running *r;
    const struct hook_state *f;
    int64_t until_us;      // monotonic: then the reading ends
    uint64_t id_no;        // number of the current id
    size_t n_read;         // events read
    int64_t kept_since_us; // the history is complete since then
    bool is_cut;           // not all events that were read were looked at
    bool is_past_end;
};

// --- what a replay is, in memory ---

static bool has_payload(void *data, const struct event *event)
{
    *(bool *)data = !event->is_locked && !event_is_erased(event);
    return false;
}

static void add(struct reading *reading, struct position position, uint64_t no)
{
    struct running *r = reading->r;
    bool is_there = false;

    if (event_view_get(reading->d->events, position, has_payload, &is_there) !=
            OK ||
        !is_there) {
        r->n_gone++;
        return;
    }
    r->n_found++;
    r->ahead[r->n_ahead++] = (struct candidate){ position, no };
}

static bool is_full(const struct running *r)
{
    return r->n_ahead == REPLAY_AHEAD;
}

// --- the history ---

static bool on_attempt(void *data, uint64_t no, const struct attempt *a)
{
    struct reading *reading = data;

    reading->is_past_end = no >= reading->r->record.end;
    if (is_full(reading->r) || reading->is_past_end)
        return false;
    if (position_cmp(a->position, position_start) != 0) // not a ping
        add(reading, a->position, no);
    return true;
}

static void read_history(struct reading *reading)
{
    struct running *r = reading->r;
    struct history_query query = { .owner_no = r->record.hook_id,
                                   .filter = &r->record.filter,
                                   .oldest_first = true,
                                   .from_no = r->read_no,
                                   .max_rows = COST_AT_ONCE,
                                   .until_us = reading->until_us };

    if (history_scan(reading->d->history, &query, on_attempt, reading) != OK)
        log_fatal("history cannot be read", "");
    r->read_no = query.last_no;
    r->is_read = query.is_end || reading->is_past_end ||
                 query.last_no + 1 >= r->record.end;
}

// --- ids ---

static bool on_attempt_of_id(void *data, uint64_t no, const struct attempt *a)
{
    struct reading *reading = data;

    (void)no;
    add(reading, a->position, reading->id_no);
    return false;
}

// The position of an id's event. If the event was removed, its attempts may remain, and
// the id has their position.
static struct position position_of_id(const struct reading *reading,
                                      const struct id *id)
{
    const struct hook_scope *scope = &hook_record(reading->f)->scope;
    struct position position;

    if (event_view_find(reading->d->events, scope->dialect, scope->org, id,
                        &position) != OK)
        put_be64(position.bytes, id_serial(id));
    return position;
}

static void read_ids(struct reading *reading)
{
    struct running *r = reading->r;
    size_t n_ids = r->record.ids.n_bytes / sizeof(struct id);

    for (size_t i = 0; i < IDS_AT_ONCE && r->read_no < n_ids && !is_full(r) &&
                       (i == 0 || clock_mono_us() < reading->until_us);
         i++) {
        struct id id;
        struct position position;
        struct history_query query = { .owner_no = r->record.hook_id,
                                       .event = &position,
                                       .filter = &r->record.filter,
                                       .max_rows = COST_AT_ONCE };

        memcpy(id.bytes, r->record.ids.at + r->read_no * sizeof(id),
               sizeof(id));
        reading->id_no = r->read_no++;
        position = position_of_id(reading, &id);
        if (position_cmp(position, position_start) != 0 &&
            history_scan(reading->d->history, &query, on_attempt_of_id,
                         reading) != OK)
            log_fatal("history cannot be read", "");
    }
    r->is_read = r->read_no >= n_ids;
}

// --- the event log ---

static bool set_has(const struct number_set *set, uint64_t n)
{
    size_t at = (size_t)(n * UINT64_C(0x9e3779b97f4a7c15) >> 20);

    if (set->room == 0)
        return false;
    for (at &= set->room - 1; set->at[at] != 0;
         at = (at + 1) & (set->room - 1)) {
        if (set->at[at] == n)
            return true;
    }
    return false;
}

static void set_add(struct number_set *set, uint64_t n)
{
    size_t at;

    if (set->n * 2 >= set->room) {
        struct number_set wider = { .room =
                                        set->room > 0 ? set->room * 2 : 1024 };

        wider.at = xcalloc(wider.room, sizeof(*wider.at));
        for (size_t i = 0; i < set->room; i++) {
            if (set->at[i] != 0)
                set_add(&wider, set->at[i]);
        }
        free(set->at);
        *set = wider;
    }
    at = (size_t)(n * UINT64_C(0x9e3779b97f4a7c15) >> 20) & (set->room - 1);
    while (set->at[at] != 0 && set->at[at] != n)
        at = (at + 1) & (set->room - 1);
    set->n += set->at[at] == 0;
    set->at[at] = n;
}

// Reads which deliveries wait for their first attempt: they have no history, only rows
// in the due index.
static void read_pending(struct reading *reading)
{
    struct running *r = reading->r;
    struct due_row rows[ROWS_AT_ONCE];
    struct due_query query = { .hook_id = r->record.hook_id,
                               .after =
                                   r->pending.n > 0 ? &r->pending_row : NULL,
                               .until_ms = INT64_MAX };
    size_t n;

    if (shard_due_read(reading->d->shard, &query, rows, ROWS_AT_ONCE, &n) != OK)
        log_fatal("due rows cannot be read", "");
    for (size_t i = 0; i < n; i++)
        set_add(&r->pending, get_be64(rows[i].position.bytes));
    if (n > 0)
        r->pending_row = rows[n - 1];
    r->are_pending_read = n < ROWS_AT_ONCE;
}

static bool stop_at_first(void *data, uint64_t no, const struct attempt *a)
{
    (void)no;
    (void)a;
    *(bool *)data = true;
    return false;
}

static bool was_attempted(struct reading *reading, struct position position)
{
    struct history_query query = { .owner_no = reading->r->record.hook_id,
                                   .event = &position,
                                   .max_rows = 1 };
    bool is_there = false;

    if (history_scan(reading->d->history, &query, stop_at_first, &is_there) !=
        OK)
        log_fatal("history cannot be read", "");
    return is_there;
}

// Posts wait for their commits, a large one for several of them, so the times of the
// events in the log are in order but for this much.
#define OUT_OF_ORDER_US INT64_C(10000000)

// Since when the history has what was delivered to the hook. If its organization's retention
// cannot be read, only what nobody may have removed yet counts as kept.
static int64_t kept_since_us(const struct reading *reading)
{
    int64_t now_us = clock_now_us();
    int64_t kept_ms = reading->d->config->retention_delivered_ms;
    struct org_retention own;
    enum err err = org_retention_get(reading->d->hooks,
                                     hook_record(reading->f)->org_id, &own);
    int64_t since_us;

    if (err == ERR_NOTFOUND)
        return now_us - kept_ms * 1000;
    if (err != OK)
        return now_us;
    kept_ms = org_retention_applies(own.delivered_ms, kept_ms);
    since_us = now_us - kept_ms * 1000;
    return own.forgotten_until_ms * 1000 > since_us
               ? own.forgotten_until_ms * 1000
               : since_us;
}

// Whether the event may have been delivered without a trace: the hook was there, and what
// was delivered then is not kept any more.
static bool is_forgotten(const struct reading *reading,
                         const struct event *event)
{
    return event->accepted_at_us < reading->kept_since_us &&
           event->accepted_at_us >=
               hook_record(reading->f)->created_at_ms * 1000 - OUT_OF_ORDER_US;
}

static bool on_event(void *data, const struct event *event)
{
    struct reading *reading = data;
    struct running *r = reading->r;
    uint64_t no = get_be64(event->position.bytes);

    if (is_full(r) || no >= r->record.end)
        return false;
    if (reading->n_read++ > 0 && clock_mono_us() >= reading->until_us) {
        reading->is_cut = true;
        return false;
    }
    r->read_no = no;
    if (event->accepted_at_us < r->record.filter.since_us ||
        event->accepted_at_us >= r->record.filter.until_us)
        return true;
    if (!history_wants_kind(&r->record.filter, event->kind) ||
        is_forgotten(reading, event))
        return true;
    if (match_wants(r->index, event, &r->facts) && !set_has(&r->pending, no) &&
        delivery_find(&reading->d->schedule, r->record.hook_id,
                      event->position) == NULL &&
        !was_attempted(reading, event->position)) {
        r->n_found++;
        r->ahead[r->n_ahead++] = (struct candidate){ event->position, no };
    }
    return true;
}

// Finds a number that no event has before it that was accepted at a time or later, by
// binary search.
static bool take_time(void *data, const struct event *event)
{
    *(int64_t *)data = event->accepted_at_us;
    return false;
}

static uint64_t first_event_at(struct dispatcher *d, int64_t at_us,
                               uint64_t end)
{
    uint64_t low = 1;
    uint64_t high = end;

    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        struct event_scan scan = { .max = 1, .keeps_closed = true };
        int64_t found_us = INT64_MAX;

        put_be64(scan.after.bytes, middle - 1);
        if (event_view_scan(d->events, &scan, take_time, &found_us) != OK)
            log_fatal("event log cannot be read", "");
        if (found_us < at_us - OUT_OF_ORDER_US) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

// Makes an index of this hook as if it had always existed and been active.
static void make_index(struct running *r, const struct hook_state *f)
{
    struct hook hook = *hook_record(f);

    hook.from = position_start;
    hook.active = true;
    r->index = match_index_new();
    // Without a valid pattern the hook wants nothing.
    (void)!match_index_put(r->index, &hook, NULL);
}

static void read_log(struct reading *reading)
{
    struct running *r = reading->r;
    struct event_scan scan = { .max = EVENTS_AT_ONCE };

    if (!r->are_pending_read) {
        read_pending(reading);
        return;
    }
    if (r->index == NULL)
        make_index(r, reading->f);
    if (r->read_no == 0 && r->record.filter.since_us > 0) {
        r->read_no = first_event_at(reading->d, r->record.filter.since_us,
                                    r->record.end) -
                     1;
    }
    reading->kept_since_us = kept_since_us(reading);
    put_be64(scan.after.bytes, r->read_no);
    if (event_view_scan(reading->d->events, &scan, on_event, reading) != OK)
        log_fatal("event log cannot be read", "");
    if (is_full(r) || reading->is_cut)
        return;
    r->read_no = get_be64(scan.last.bytes); // damaged events are passed, too
    r->is_read = r->read_no + 1 >= r->record.end ||
                 position_cmp(scan.last, scan.after) == 0;
}

void source_read(struct dispatcher *d, struct running *r,
                 const struct hook_state *f, int64_t until_us)
{
    struct reading reading = { .d = d, .r = r, .f = f, .until_us = until_us };

    if (r->i_ahead == r->n_ahead) {
        r->i_ahead = 0;
        r->n_ahead = 0;
    }
    if (r->is_read || is_full(r))
        return;
    if (r->record.unmatched) {
        read_log(&reading);
    } else if (r->record.ids.n_bytes > 0) {
        read_ids(&reading);
    } else {
        read_history(&reading);
    }
}
