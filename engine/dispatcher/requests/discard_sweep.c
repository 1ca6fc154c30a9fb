// SPDX-License-Identifier: MIT
// discard_sweep.c — settles dead letters of deleted hooks as cancelled.
//
// Happy path: a hook that is deleted goes into a list, and its dead letters are settled
// slice by slice. At the start the whole dead index is searched, with a seek for each
// hook, for hooks that do not exist: those that an earlier process did not finish, and
// those that were deleted while no dispatcher ran.
//
// If it fails: a delivery in memory is being sent or settled; its hook is looked at
// again a second later.

#include "engine/dispatcher/requests/discard_sweep.h"

#include <inttypes.h>

#include "common/base/mem.h"
#include "common/log/log.h"
#include "common/model/delivery.h"
#include "common/model/event.h"
#include "common/model/hook.h"
#include "engine/dispatcher/loop/dispatcher.h"
#include "engine/dispatcher/requests/discard_slice.h"
#include "engine/dispatcher/schedule/delivery_table.h"
#include "engine/dispatcher/schedule/hook_state.h"
#include "engine/dispatcher/schedule/hook_table.h"
#include "engine/dispatcher/schedule/schedule.h"
#include "queue/queue.h"

static const struct position last_position = { { 0xff, 0xff, 0xff, 0xff, 0xff,
                                                 0xff, 0xff, 0xff } };

static void push(struct hook_numbers *list, uint64_t no)
{
    if (list->n == list->room) {
        list->room = list->room > 0 ? list->room * 2 : 64;
        list->at = xrealloc(list->at, list->room * sizeof(*list->at));
    }
    list->at[list->n++] = no;
}

static bool ignore_hook(void *data, const struct hook *hook)
{
    (void)data;
    (void)hook;
    return false;
}

// A hook whose record is damaged is not deleted: when the record is repaired, its dead
// letters are still there.
static bool is_deleted(const struct dispatcher *d, uint64_t hook_id)
{
    const struct hook_state *f = hook_find(&d->schedule, hook_id);

    if (f != NULL && hook_record(f) != NULL)
        return false;
    return hook_get_by_no(d->hooks, hook_id, ignore_hook, NULL) == ERR_NOTFOUND;
}

static bool is_begun(const struct discard_sweep *s)
{
    return s->n_settled > 0 || s->was_busy;
}

static void begin_hook(struct discard_sweep *s)
{
    s->n_settled = 0;
    s->was_busy = false;
    if (s->deleted.n > 0) {
        s->at = (struct dead_place){
            .hook_id = s->deleted.at[s->deleted.n - 1],
            .position = position_start,
        };
    }
}

static void add(struct discard_sweep *s, uint64_t hook_id)
{
    struct hook_numbers *list = &s->deleted;

    push(list, hook_id);
    if (!is_begun(s)) {
        begin_hook(s);
        return;
    }
    list->at[list->n - 1] = list->at[list->n - 2]; // the current hook
    list->at[list->n - 2] = hook_id;               // stays the last
}

// All dead letters of the current hook that can be settled are settled.
static void end_hook(struct discard_sweep *s)
{
    uint64_t no = s->deleted.at[--s->deleted.n];

    if (s->n_settled > 0) {
        log_info("dead letters of a deleted hook were removed", "%s n=%" PRIu64,
                 hook_log_no(no), s->n_settled);
    }
    if (s->was_busy)
        push(&s->later, no);
    begin_hook(s);
}

static void take_row(struct dispatcher *d, const struct dead_row *row)
{
    struct discard_sweep *s = &d->discards->sweep;

    s->at.position = row->position;
    if (delivery_find(&d->schedule, row->hook_id, row->position) != NULL) {
        s->was_busy = true;
        return;
    }
    discard_row(d, row, STR("the webhook was deleted"));
    s->n_settled++;
}

static void settle_hook(struct dispatcher *d, int64_t until_us)
{
    struct discard_sweep *s = &d->discards->sweep;
    struct dead_row rows[DISCARD_ROWS_AT_ONCE];
    uint64_t no = s->at.hook_id;
    bool is_end = !is_deleted(d, no);

    while (!is_end && !discard_is_over(d, until_us)) {
        size_t n = discard_read(d, &s->at, rows, DISCARD_ROWS_AT_ONCE);
        size_t i = 0;

        for (; i < n && rows[i].hook_id == no; i++)
            take_row(d, &rows[i]);
        is_end = i < DISCARD_ROWS_AT_ONCE;
    }
    if (is_end)
        end_hook(s);
}

static void walk(struct dispatcher *d, int64_t until_us)
{
    struct discard_sweep *s = &d->discards->sweep;

    while (s->deleted.n == 0 && s->is_walking &&
           !discard_is_over(d, until_us)) {
        struct dead_place at = { s->walked_no, last_position };
        struct dead_row row;

        if (discard_read(d, &at, &row, 1) == 0) {
            s->is_walking = false;
            return;
        }
        s->walked_no = row.hook_id;
        if (is_deleted(d, row.hook_id))
            add(s, row.hook_id);
    }
}

bool sweep_has_work(const struct dispatcher *d)
{
    const struct discard_sweep *s = &d->discards->sweep;

    return s->deleted.n > 0 || s->is_walking;
}

bool sweep_is_walking(const struct dispatcher *d)
{
    return d->discards->sweep.is_walking;
}

void sweep_each(const struct dispatcher *d, sweep_visit visit, void *data)
{
    const struct discard_sweep *s = &d->discards->sweep;
    const struct hook_numbers *const lists[] = { &s->deleted, &s->later };

    for (size_t i = 0; i < 2; i++) {
        for (size_t at = 0; at < lists[i]->n; at++) {
            if (!visit(data, lists[i]->at[at]))
                return;
        }
    }
}

void sweep_run(struct dispatcher *d, int64_t until_us)
{
    if (d->discards->sweep.deleted.n > 0) {
        settle_hook(d, until_us);
    } else {
        walk(d, until_us);
    }
}

void sweep_hook(struct dispatcher *d, uint64_t hook_id)
{
    add(&d->discards->sweep, hook_id);
    discard_go_on(d);
}

void discard_on_second(struct dispatcher *d)
{
    struct discard_sweep *s = &d->discards->sweep;

    if (s->later.n == 0)
        return;
    while (s->later.n > 0)
        add(s, s->later.at[--s->later.n]);
    discard_go_on(d);
}
