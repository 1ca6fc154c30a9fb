// SPDX-License-Identifier: MIT
// discard_choice.c — which dead letters a request chooses.
//
// The dead index is read in the order of hooks and events. What the request cannot
// choose is jumped over: hooks of other organizations, and, if ids are given, events
// that no id names.

#include "engine/dispatcher/requests/discard_choice.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/codec.h"
#include "common/encoding/id.h"
#include "common/log/log.h"
#include "common/messages/query.h"
#include "common/model/delivery.h"
#include "common/model/event.h"
#include "common/model/replay.h"
#include "engine/dispatcher/loop/dispatcher.h"
#include "engine/dispatcher/requests/discard_slice.h"
#include "engine/dispatcher/schedule/hook_state.h"
#include "engine/dispatcher/schedule/hook_table.h"
#include "engine/dispatcher/schedule/schedule.h"
#include "queue/queue.h"

#define HISTORY_COST 4000 // limit of the search for a delivery's newest attempt

static const struct position last_position = { { 0xff, 0xff, 0xff, 0xff, 0xff,
                                                 0xff, 0xff, 0xff } };

// --- owners ---

struct owner {
    const struct query *query;
    uint64_t org_id; // the organization that asks
    bool is_known, is_ours;
};

static bool on_newest(void *data, uint64_t no, const struct attempt *a)
{
    struct owner *o = data;

    (void)no;
    o->is_known = true;
    o->is_ours = a->org_id == o->org_id;
    return false;
}

static bool on_event(void *data, const struct event *event)
{
    struct owner *o = data;

    if (!o->is_known) {
        o->is_ours = (unsigned)event->dialect == o->query->dialect &&
                     str_eq(event->org, o->query->org);
    }
    if (o->query->project.n_bytes > 0 &&
        !str_eq(event->project, o->query->project))
        o->is_ours = false;
    return false;
}

// Whether a hook that does not exist any more belonged to the organization that asks:
// its deliveries tell.
static bool was_ours(struct dispatcher *d, const struct query *query,
                     const struct dead_row *row)
{
    struct owner o = { .query = query };
    enum err err = org_number(d->hooks, (enum dialect)query->dialect,
                              query->org, &o.org_id);
    struct history_query search = { .owner_no = row->hook_id,
                                    .event = &row->position,
                                    .max_rows = 1 };

    if (err == OK)
        err = history_scan(d->history, &search, on_newest, &o);
    if (err != OK)
        log_fatal("history cannot be read", "");
    if ((!o.is_known || query->project.n_bytes > 0) &&
        event_view_get(d->events, row->position, on_event, &o) != OK)
        return false;
    return o.is_ours;
}

static bool is_hook_wanted(struct dispatcher *d, struct discard_request *r,
                           const struct dead_row *row)
{
    const struct hook_state *f = hook_find(&d->schedule, row->hook_id);
    const struct query *query = &r->query;

    if (query->hook_id != 0)
        return row->hook_id == query->hook_id;
    if (f == NULL || hook_record(f) == NULL) {
        if (r->checked_id != row->hook_id)
            r->is_ours = was_ours(d, query, row);
        r->checked_id = row->hook_id;
        return r->is_ours;
    }
    return (unsigned)hook_record(f)->scope.dialect == query->dialect &&
           str_eq(hook_record(f)->scope.org, query->org) &&
           (query->project.n_bytes == 0 ||
            str_eq(hook_record(f)->scope.project, query->project));
}

// --- choosing ---

// Index of the first id whose event is not before `position`; n_wanted: there is none.
static size_t first_wanted(const struct discard_request *r,
                           struct position position)
{
    size_t low = 0;
    size_t high = r->n_wanted;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (position_cmp(r->wanted[middle], position) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

// Whether an id names the event at `*position`. If not, `*position` is moved to just
// before the next event that an id names.
static bool is_id_wanted(const struct discard_request *r,
                         struct position *position)
{
    size_t i = first_wanted(r, *position);

    if (r->choice.ids.n_bytes == 0)
        return true;
    if (i < r->n_wanted && position_cmp(r->wanted[i], *position) == 0)
        return true;
    *position = last_position;
    if (i < r->n_wanted)
        put_be64(position->bytes, get_be64(r->wanted[i].bytes) - 1);
    return false;
}

static bool on_wanted(void *data, uint64_t no, const struct attempt *a)
{
    (void)no;
    (void)a;
    *(bool *)data = true;
    return false;
}

// Whether the filter chooses a delivery, by its newest attempt. If retention has
// removed the delivery's attempts, only a filter without conditions chooses it.
static bool is_attempt_wanted(struct dispatcher *d,
                              const struct discard_request *r,
                              const struct dead_row *row)
{
    struct history_query search = { .owner_no = row->hook_id,
                                    .event = &row->position,
                                    .filter = &r->choice.filter,
                                    .max_rows = HISTORY_COST };
    bool is_wanted = r->is_plain;

    if (!is_wanted &&
        history_scan(d->history, &search, on_wanted, &is_wanted) != OK)
        log_fatal("history cannot be read", "");
    return is_wanted;
}

bool choice_wants(struct dispatcher *d, struct discard_request *r,
                  const struct dead_row *row, bool *is_jump)
{
    r->at = (struct dead_place){ row->hook_id, row->position };
    *is_jump = true;
    if (!is_hook_wanted(d, r, row)) {
        r->at.position = last_position;
        return false;
    }
    if (!is_id_wanted(r, &r->at.position))
        return false;
    *is_jump = false;
    return is_attempt_wanted(d, r, row);
}

// --- the request ---

static int compare(const void *a, const void *b)
{
    return position_cmp(*(const struct position *)a,
                        *(const struct position *)b);
}

// Looks up the position of an id's event. An id that the engine made has the position
// in it, so the event need not be found.
static void find_event(struct dispatcher *d, struct discard_request *r)
{
    struct position *position = &r->wanted[r->n_wanted];
    struct id id;

    memcpy(id.bytes, r->choice.ids.at + r->n_looked_up++ * sizeof(id),
           sizeof(id));
    if (event_view_find(d->events, (enum dialect)r->query.dialect, r->query.org,
                        &id, position) != OK)
        put_be64(position->bytes, id_serial(&id));
    if (position_cmp(*position, position_start) != 0)
        r->n_wanted++;
}

bool choice_find_event(struct dispatcher *d, struct discard_request *r,
                       int64_t until_us)
{
    size_t n = r->choice.ids.n_bytes / sizeof(struct id);

    if (r->n_looked_up == n)
        return true;
    if (r->wanted == NULL)
        r->wanted = arena_take(&r->arena, n * sizeof(*r->wanted));
    while (r->n_looked_up < n && clock_mono_us() < until_us)
        find_event(d, r);
    if (r->n_looked_up < n)
        return false;
    qsort(r->wanted, r->n_wanted, sizeof(*r->wanted), compare);
    return true;
}

static bool asks_nothing(const struct history_filter *f)
{
    return f->errors == 0 && !f->has_code && f->n_kinds == 0 &&
           f->since_us == INT64_MIN && f->until_us == INT64_MAX;
}

static struct str reason_of(struct arena *arena, struct str by)
{
    struct buf text;
    struct str reason;

    buf_init(&text, 0);
    buf_puts(&text, "discarded by ");
    buf_put_str(&text, by);
    reason = arena_copy(arena, buf_str(&text));
    buf_clear(&text);
    return reason;
}

static enum err read_position(struct discard_request *r, struct str after)
{
    r->at.hook_id = r->query.hook_id;
    if (after.n_bytes == 0)
        return OK;
    if (after.n_bytes != DISCARD_AFTER_BYTES)
        return ERR_CORRUPT;
    r->at.hook_id = get_be64((const uint8_t *)after.at);
    memcpy(r->at.position.bytes, after.at + 8, sizeof(r->at.position.bytes));
    return r->query.hook_id == 0 || r->at.hook_id == r->query.hook_id
               ? OK
               : ERR_CORRUPT;
}

enum err choice_read(struct discard_request *r, const struct query *query)
{
    struct arena *arena = &r->arena;
    enum err err;

    r->query = *query;
    r->query.org = arena_copy(arena, query->org);
    r->query.project = arena_copy(arena, query->project);
    r->query.text = arena_copy(arena, query->text);
    r->query.by = arena_copy(arena, query->by);
    r->query.event = STR_EMPTY;
    r->query.after = STR_EMPTY;
    r->reason = reason_of(arena, query->by);
    err = read_position(r, query->after);
    if (err == OK)
        err = replay_decode(r->query.text, &r->choice);
    if (err != OK)
        return err;
    r->is_plain = asks_nothing(&r->choice.filter);
    r->choice.filter.states = 1U << DELIVERY_DEAD;
    return OK;
}
