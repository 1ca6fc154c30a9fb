// SPDX-License-Identifier: MIT
// unlisting.c — removes rows of the list of events whose events have left the log.
//
// Which events the log has is asked of the log: an event may leave it by its age, by the
// size of the log, or because of its organization, and one that a delivery needs stays
// longer than its neighbours. So the rows of each organization are looked at from the
// oldest on, round and round. The first row with an event that is there, and that is
// not past retention, ends the look at its organization.

#include "engine/dispatcher/removal/unlisting.h"

#include "common/base/clock.h"
#include "common/base/codec.h"
#include "common/log/log.h"
#include "engine/dispatcher/loop/slice.h"
#include "engine/dispatcher/record/commit.h"
#include "queue/queue.h"

#define DELETE_MAX 256 // rows in one call

static bool ignore(void *data, const struct event *event)
{
    (void)data;
    (void)event;
    return false;
}

// Whether the log has an event, of whichever organization, from the row's first to its
// last: mostly it has none, and one seek tells.
static bool may_have_event(struct dispatcher *d, const struct listed_row *row)
{
    struct event_scan scan = { .max = 1, .keeps_closed = true };

    put_be64(scan.after.bytes, row->events[0].number - 1);
    if (event_view_scan(d->events, &scan, ignore, NULL) != OK)
        return true;
    return position_cmp(scan.last, scan.after) != 0 &&
           get_be64(scan.last.bytes) <= row->events[row->n - 1].number;
}

// Whether an event of the row is in the log. A damaged one, and one that cannot be read,
// count as there.
static bool has_event(struct dispatcher *d, const struct listed_row *row)
{
    for (size_t i = 0; i < row->n; i++) {
        struct position position = { { 0 } };
        enum err err;

        put_be64(position.bytes, row->events[i].number);
        err = event_view_get(d->events, position, ignore, NULL);
        if (err != ERR_NOTFOUND)
            return true;
        if (i == 0 && !may_have_event(d, row))
            return false;
    }
    return false;
}

// Whether events that are not committed yet may belong to the row, which was read as it was
// committed last.
static bool may_grow(const struct dispatcher *d, const struct listed_row *row)
{
    return row->block >= get_be64(d->read_to.bytes) / LISTED_BLOCK &&
           (commit_is_under_way(d) ||
            position_cmp(shard_cursor(d->shard), d->read_to) != 0);
}

bool unlisting_work(struct dispatcher *d, struct unlisting *u,
                    int64_t before_us)
{
    int64_t until_us = slice_end_us(clock_mono_us());
    size_t n_deleted = 0;
    enum err err = OK;

    do {
        struct listed_row row;

        err = shard_view_listed_next(d->history, &u->at, &row);
        if (err != OK)
            break;
        if (!may_grow(d, &row) && !has_event(d, &row)) {
            batch_listed_del(d->open_batch, row.dialect, row.org, row.block);
            n_deleted++;
        } else if (row.newest_us >= before_us) {
            shard_view_listed_behind(row.dialect, row.org, &u->at);
        }
    } while (n_deleted < DELETE_MAX && clock_mono_us() < until_us);
    if (n_deleted > 0)
        commit_schedule(d);
    if (err == OK)
        return n_deleted > 0;
    buf_reset(&u->at); // from the beginning
    if (err != ERR_NOTFOUND) {
        log_warn("the list of events cannot be read", "reason=%s",
                 log_quote(str_of(err_str(err))));
    }
    return false;
}
