// SPDX-License-Identifier: MIT
// fan.c — the deliveries of an event.
//
// Happy path: the hooks that want the event are found at once, a bit set at a time. If
// there are few, their deliveries are made at once, too. If there are many, the event
// is kept, and each turn of the loop makes as many deliveries as a slice allows; these
// are sent meanwhile. The payload is parsed once, when the first pattern looks at it, or
// the first ordered hook needs its ordering key.
//
// Patterns are compared before deliveries are made, in slices, too.
//
// A hook that was deleted or switched off after the match gets no delivery.

#include "engine/dispatcher/deliver/fan.h"

#include "common/base/arena.h"
#include "common/base/clock.h"
#include "common/base/codec.h"
#include "common/base/mem.h"
#include "common/model/delivery.h"
#include "common/model/event.h"
#include "common/process/blame.h"
#include "engine/delivery/match.h"
#include "engine/delivery/order_key.h"
#include "engine/dispatcher/deliver/aside.h"
#include "engine/dispatcher/loop/core.h"
#include "engine/dispatcher/loop/dispatcher.h"
#include "engine/dispatcher/loop/slice.h"
#include "engine/dispatcher/record/commit.h"
#include "engine/dispatcher/record/listing.h"
#include "engine/dispatcher/schedule/delivery_table.h"
#include "engine/dispatcher/schedule/hook_state.h"
#include "engine/dispatcher/schedule/hook_table.h"
#include "engine/dispatcher/schedule/schedule.h"
#include "engine/dispatcher/schedule/step.h"
#include "queue/queue.h"

// An event with more deliveries than this is made in slices; a slice looks at the clock
// each time it has made this many.
#define AT_ONCE 128

// --- one delivery ---

static uint64_t ordering_key(struct fan *fan, const struct hook_state *f)
{
    const struct json_value *payload;

    if (!hook_needs_ordering_key(f))
        return 0;
    payload = event_facts_payload(&fan->facts);
    return payload != NULL
               ? order_key_of(hook_record(f)->policy.order_key, payload)
               : 0;
}

static void make(struct dispatcher *d, struct hook_state *f)
{
    struct fan *fan = d->fan;
    const struct event *event = &fan->event;
    struct due_row row = { .hook_id = hook_state_id(f),
                           .due_at_ms = event->accepted_at_us / 1000,
                           .position = event->position,
                           .payload_bytes =
                               (uint32_t)event_stored_bytes(event) };
    const struct schedule_event rows_put = {
        .kind = SCHEDULE_ROWS_PUT,
        .hook = f,
        .commit =
            schedule_n_commits(&d->schedule) + 2, // one commit may be under way
    };
    struct schedule_event arrived = { .kind = SCHEDULE_ARRIVED };
    struct delivery *dv;

    if (shard_was_matched(d->shard, hook_state_id(f), event->position))
        return;
    fan->n_made++;
    fan->n_matched++;
    row.ordering_key = ordering_key(fan, f);
    if (schedule_must_persist(&d->schedule, f)) {
        if (hook_is_ordered(f))
            row.due_at_ms = 0;
        commit_put_row(d, &row);
        core_note(d, &rows_put);
        return;
    }
    dv = delivery_add_from_log(&d->schedule, f, &row);
    delivery_set_deaths(dv, aside_deaths(hook_state_id(f), event->position));
    arrived.delivery = dv;
    core_note(d, &arrived);
    if (fan->gives_rows) // else the commit gives rows to all that have none
        commit_give_row(d, dv);
}

// --- all deliveries ---

static void on_match(void *data, uint64_t hook_id, void *runtime)
{
    struct fan *fan = data;

    if (fan->n_found == fan->room) {
        fan->room = fan->room > 0 ? fan->room * 2 : AT_ONCE;
        fan->hooks = xrealloc(fan->hooks, fan->room * sizeof(*fan->hooks));
    }
    fan->hooks[fan->n_found++] = (struct wanting){ hook_id, runtime };
    fan->has_patterns |= hook_record(runtime)->pattern.n_bytes > 0;
}

// Keeps the hooks whose patterns hold, as many as the time allows, but at least one.
// True: all are compared.
static bool compare(struct dispatcher *d, int64_t until_us)
{
    struct fan *fan = d->fan;

    if (!fan->has_patterns)
        fan->n = fan->n_compared = fan->n_found;
    while (fan->n_compared < fan->n_found) {
        struct wanting wanting = fan->hooks[fan->n_compared++];

        if (match_holds(d->index, wanting.hook_id, &fan->facts))
            fan->hooks[fan->n++] = wanting;
        if (clock_mono_us() >= until_us) // it may have taken long
            break;
    }
    return fan->n_compared == fan->n_found;
}

static void make_later(struct dispatcher *d)
{
    struct fan *fan = d->fan;
    struct hook_state *f =
        hook_find(&d->schedule, fan->hooks[fan->i++].hook_id);

    if (f != NULL && hook_is_active(f) && !hook_is_aside(f))
        make(d, f);
}

static void end(struct dispatcher *d)
{
    struct fan *fan = d->fan;

    listing_note(d, &fan->event, fan->n_matched);
    event_facts_end(&fan->facts);
    fan->is_open = false;
    arena_clear(&fan->arena);
}

bool fan_begin(struct dispatcher *d, const struct event *event)
{
    struct fan *fan = d->fan;

    fan->n_found = fan->n_compared = fan->n = fan->i = 0;
    fan->has_patterns = false;
    fan->n_matched = 0;
    fan->event = *event;
    if (!event_is_erased(event)) // nothing can be sent of it
        match_event(d->index, event, on_match, fan);
    event_facts_begin(&fan->facts, &fan->event);
    if (!compare(d, slice_end_us(clock_mono_us())) || fan->n > AT_ONCE) {
        event_facts_end(&fan->facts); // it points into the log
        fan->event = event_copy(&fan->arena, event);
        event_facts_begin(&fan->facts, &fan->event);
        fan->is_open = true;
        return false;
    }
    fan->gives_rows = false;
    for (; fan->i < fan->n; fan->i++)
        make(d, fan->hooks[fan->i].hook);
    end(d);
    return true;
}

bool fan_run(struct dispatcher *d, int64_t until_us)
{
    struct fan *fan = d->fan;
    struct blamed before =
        blame_begin(BLAME_EVENT, 0, get_be64(fan->event.position.bytes));

    if (!compare(d, until_us)) {
        blame_end(before);
        return false;
    }
    fan->gives_rows = fan->n > AT_ONCE;
    do {
        for (size_t k = 0; k < AT_ONCE && fan->i < fan->n; k++)
            make_later(d);
    } while (fan->i < fan->n && clock_mono_us() < until_us);
    blame_end(before);
    if (fan->i < fan->n)
        return false;
    end(d);
    return true;
}

uint64_t fan_take_made(struct dispatcher *d)
{
    uint64_t n = d->fan->n_made;

    d->fan->n_made = 0;
    return n;
}

// Most events are matched by what is open: no payload is opened for them.
static struct str open_payload(void *data, const struct event *event)
{
    struct dispatcher *d = data;
    struct event open = *event;

    return event_unseal(d->payload_keys, &open, &d->fan->plain) == OK
               ? open.payload
               : STR_EMPTY;
}

void fan_init(struct dispatcher *d)
{
    d->fan = xcalloc(1, sizeof(*d->fan));
    buf_init(&d->fan->plain, 0);
    event_facts_open_with(&d->fan->facts, open_payload, d);
}

bool fan_is_open(const struct dispatcher *d)
{
    return d->fan->is_open;
}
