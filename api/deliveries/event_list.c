// SPDX-License-Identifier: MIT
// event_list.c — the accepted events of an organization or of one of its places.
//
// The dispatchers list the events that they have matched (queue/listing). So a list has
// three stretches, from the newest event back:
//   - events that not every dispatcher has come to: the log is read;
//   - events in the lists of the shards: what the shards note of an event is added up;
//   - events from before there were lists: the log is read.
// Reading the log means looking at the events of all organizations. What is looked at for
// one page has a limit, so a page may be short, and a token leads to the rest.

#include "api/deliveries/event_list.h"

#include "api/core/api_request.h"
#include "common/base/clock.h"
#include "common/base/codec.h"
#include "common/model/event_kinds.h"

// A page looks at so much: a row of a list, or an event of the log. A read of the log is
// as much as ten entries of a row.
#define COST_MAX       ((size_t)200000)
#define COST_EVENT     10
#define BYTES_MAX      ((size_t)64 << 20) // of the events that are looked at
#define EVENTS_AT_ONCE 200                // in one read of the log

// Clocks may be set back a little: events are in the order of their times, except for
// this much.
#define SLACK_US INT64_C(2000000)

// --- filters ---

static bool is_wanted_kind(const struct history_filter *f, struct str kind)
{
    bool is_kind = f->n_kinds == 0;

    for (size_t i = 0; i < f->n_kinds && !is_kind; i++) {
        is_kind = str_eq(kind, f->kinds[i]) || kind_matches(kind, f->kinds[i]);
    }
    return is_kind;
}

static bool is_wanted(const struct event_list *l, const struct event *event)
{
    return hook_scope_holds(&l->scope, event) &&
           event->accepted_at_us >= l->filter->since_us &&
           event->accepted_at_us < l->filter->until_us &&
           is_wanted_kind(l->filter, event->kind);
}

// Whether the event of an entry may be wanted: a pattern of kinds cannot be told from it.
static bool may_be_wanted(const struct event_list *l,
                          const struct listed_event *entry)
{
    const struct history_filter *f = l->filter;
    bool is_kind = f->n_kinds == 0;
    struct str base;

    if (l->only_unmatched && entry->n_matched > 0)
        return false;
    for (size_t i = 0; i < f->n_kinds && !is_kind; i++) {
        is_kind = kind_pattern_base(f->kinds[i], &base) ||
                  listed_kind(f->kinds[i]) == entry->kind;
    }
    return is_kind;
}

// --- where it begins and ends ---

static bool note_time(void *data, const struct event *event)
{
    *(int64_t *)data = event->accepted_at_us;
    return false;
}

// The greatest number up to which events were accepted before `at_us`.
static enum err number_at(const struct event_list *l, uint64_t end,
                          int64_t at_us, uint64_t *out)
{
    uint64_t low = 0;
    uint64_t high = end;

    while (low < high) {
        uint64_t middle = low + (high - low + 1) / 2;
        struct event_scan_back scan = { .max = 1 };
        int64_t time_us = INT64_MIN;
        enum err err;

        put_be64(scan.before.bytes, middle + 1);
        err = event_view_scan_back(l->api->events, &scan, note_time, &time_us);
        if (err != OK)
            return err;
        if (time_us < at_us) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    *out = low;
    return OK;
}

// Where the lists of all shards are whole.
static enum err read_ranges(struct event_list *l)
{
    l->listed_from = 0;
    l->listed_to = UINT64_MAX;
    for (unsigned k = 0; k < l->api->n_shards; k++) {
        struct listed_range range;
        enum err err = shard_view_listed_range(l->api->shards[k], &range);

        if (err != OK)
            return err;
        if (get_be64(range.from.bytes) > l->listed_from)
            l->listed_from = get_be64(range.from.bytes);
        if (get_be64(range.to.bytes) < l->listed_to)
            l->listed_to = get_be64(range.to.bytes);
    }
    if (l->listed_from > l->listed_to)
        l->listed_from = l->listed_to;
    return OK;
}

static enum err begin(struct event_list *l)
{
    const struct history_filter *f = l->filter;
    struct position end;
    uint64_t last;
    enum err err = event_view_end(l->api->events, &end);

    l->is_begun = true;
    if (err != OK)
        return err;
    last = get_be64(end.bytes);
    if (l->before > last)
        l->before = last + 1;
    if (f->until_us < INT64_MAX - SLACK_US) {
        err = number_at(l, last, f->until_us + SLACK_US, &last);
        if (err == OK && l->before > last + 1)
            l->before = last + 1;
    }
    if (err == OK && f->since_us > INT64_MIN + SLACK_US)
        err = number_at(l, last, f->since_us - SLACK_US, &l->since);
    return err == OK ? read_ranges(l) : err;
}

// --- the log ---

struct looking {
    struct event_list *list;
    uint64_t above; // events up to this number are of another stretch
    uint32_t n_matched;
    bool is_known;
    int64_t until_us;
};

// Looks at an event. False: the search ends with it, or its time in this turn is over.
static bool look_at(void *data, const struct event *event)
{
    struct looking *k = data;
    struct event_list *l = k->list;
    uint64_t number = get_be64(event->position.bytes);
    const struct event_row row = { event, k->n_matched, k->is_known };

    if (number <= k->above) {
        l->before = k->above + 1;
        return false;
    }
    l->cost += COST_EVENT;
    l->n_bytes += event_stored_bytes(event);
    if (is_wanted(l, event) && !l->visit(l->data, &row)) {
        l->has_more = true;
        l->is_over = true;
        return false;
    }
    l->before = number;
    return l->cost < COST_MAX && l->n_bytes < BYTES_MAX &&
           clock_mono_us() < k->until_us;
}

// Reads on in the log, down to the number `above`.
static enum err read_log(struct event_list *l, uint64_t above, int64_t until_us)
{
    struct looking k = { .list = l, .above = above, .until_us = until_us };
    struct event_scan_back scan = { .max = EVENTS_AT_ONCE };
    enum err err;

    put_be64(scan.before.bytes, l->before);
    err = event_view_scan_back(l->api->events, &scan, look_at, &k);
    // Damaged events are passed without a look.
    if (err == OK && !l->is_over && get_be64(scan.last.bytes) < l->before)
        l->before = get_be64(scan.last.bytes);
    if (err == OK && !l->is_over && (scan.is_end || l->before <= above))
        l->before = above + 1;
    return err;
}

// --- the lists ---

struct block {
    uint64_t number;
    struct listed_event entries[LISTED_BLOCK]; // by their place in the block
    bool is_there[LISTED_BLOCK];
};

static void add_row(struct block *b, const struct listed_row *row)
{
    for (size_t i = 0; i < row->n; i++) {
        size_t at = row->events[i].number % LISTED_BLOCK;

        if (b->is_there[at]) {
            b->entries[at].n_matched += row->events[i].n_matched;
        } else {
            b->entries[at] = row->events[i];
            b->is_there[at] = true;
        }
    }
}

// Adds up what the shards list in the newest block with an event before l->before.
// ERR_NOTFOUND: there is none.
static enum err read_block(struct event_list *l, struct block *b)
{
    enum err result = ERR_NOTFOUND;

    for (unsigned k = 0; k < l->api->n_shards; k++) {
        struct listed_row row;
        enum err err =
            shard_view_listed(l->api->shards[k], l->scope.dialect, l->scope.org,
                              (l->before - 1) / LISTED_BLOCK, &row);

        l->cost += COST_EVENT;
        if (err == ERR_NOTFOUND)
            continue;
        if (err != OK)
            return err;
        if (result == ERR_NOTFOUND || row.block > b->number) {
            *b = (struct block){ .number = row.block };
            result = OK;
        }
        if (row.block == b->number)
            add_row(b, &row);
    }
    return result;
}

// Looks at an entry's event, if it may be wanted. What retention removed, or what is
// damaged, is left out.
static enum err read_entry(struct event_list *l,
                           const struct listed_event *entry, int64_t until_us)
{
    struct looking k = { .list = l,
                         .n_matched = entry->n_matched,
                         .is_known = true,
                         .until_us = until_us };
    struct position position = { { 0 } };
    enum err err;

    l->cost++;
    if (!may_be_wanted(l, entry)) {
        l->before = entry->number;
        return OK;
    }
    put_be64(position.bytes, entry->number);
    err = event_view_get(l->api->events, position, look_at, &k);
    if (err == OK || (err != ERR_NOTFOUND && err != ERR_CORRUPT))
        return err;
    l->cost += COST_EVENT;
    l->before = entry->number;
    return OK;
}

static bool has_looked_enough(const struct event_list *l)
{
    return l->cost >= COST_MAX || l->n_bytes >= BYTES_MAX;
}

// Reads on in the lists, down to `above`.
static enum err read_lists(struct event_list *l, uint64_t above,
                           int64_t until_us)
{
    struct block b;
    enum err err = read_block(l, &b);

    if (err == ERR_NOTFOUND ||
        (err == OK && (b.number + 1) * LISTED_BLOCK <= above)) {
        l->before = above + 1;
        return OK;
    }
    for (size_t i = LISTED_BLOCK; i > 0 && err == OK && !l->is_over; i--) {
        const struct listed_event *entry = &b.entries[i - 1];

        if (!b.is_there[i - 1] || entry->number >= l->before)
            continue;
        if (entry->number <= above)
            break;
        if (has_looked_enough(l) || clock_mono_us() >= until_us)
            return OK;
        err = read_entry(l, entry, until_us);
    }
    if (err == OK && !l->is_over && b.number * LISTED_BLOCK < l->before)
        l->before = b.number * LISTED_BLOCK;
    if (err == OK && !l->is_over && l->before <= above)
        l->before = above + 1;
    return err;
}

// --- all stretches ---

static uint64_t greater(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

// One step. Which hooks wanted an event is not known outside the lists, so events that
// none wanted are not searched there.
static enum err step(struct event_list *l, int64_t until_us)
{
    uint64_t to = greater(l->listed_to, l->since);
    uint64_t from = greater(l->listed_from, l->since);

    if (l->before <= l->since + 1) {
        l->is_over = true; // the rest is too old, or there is none
        return OK;
    }
    if (has_looked_enough(l)) {
        l->has_more = true;
        l->is_over = true;
        return OK;
    }
    if (l->before > to + 1) {
        if (!l->only_unmatched)
            return read_log(l, to, until_us);
        l->before = to + 1;
        return OK;
    }
    if (l->before > from + 1)
        return read_lists(l, from, until_us);
    if (!l->only_unmatched)
        return read_log(l, l->since, until_us);
    l->before = l->since + 1;
    return OK;
}

enum err event_list_work(struct event_list *l, int64_t until_us)
{
    enum err err = l->is_begun ? OK : begin(l);

    while (err == OK && !l->is_over) {
        err = step(l, until_us);
        if (err == OK && !l->is_over && clock_mono_us() >= until_us)
            return ERR_AGAIN;
    }
    return err;
}
