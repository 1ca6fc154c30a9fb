// SPDX-License-Identifier: MIT
// payload_orders.c — when the shard may erase what it has of a payload.
//
// Only what the event log has erased already: no request can be made of it any more.
// Requests that are under way then are marked, so that the rows of their attempts have
// nothing of the payload. Rows that were made before, and are not committed, are waited for;
// then the shard erases what its history has, and nothing comes afterwards.

#include "engine/dispatcher/removal/payload_orders.h"

#include "common/log/log.h"
#include "engine/dispatcher/deliver/fan.h"
#include "engine/dispatcher/record/commit.h"
#include "engine/dispatcher/schedule/delivery_table.h"
#include "engine/dispatcher/schedule/in_flight.h"
#include "engine/dispatcher/schedule/schedule.h"

// Keeps those that the log has erased.
static enum err keep_ready(struct dispatcher *d, struct payload_work *work)
{
    size_t n = 0;
    enum err err = OK;

    for (size_t i = 0; i < work->n_erase && err == OK; i++) {
        bool is_ready;

        err = event_view_has_erased(d->events, work->erase[i].position,
                                    &is_ready);
        if (err == OK && is_ready)
            work->erase[n++] = work->erase[i];
    }
    work->n_erase = n;
    return err;
}

static bool has(const struct payload_work *work, struct position position)
{
    for (size_t i = 0; i < work->n_erase; i++) {
        if (position_cmp(work->erase[i].position, position) == 0)
            return true;
    }
    return false;
}

static void mark_in_flight(struct dispatcher *d,
                           const struct payload_work *work)
{
    for (unsigned k = 0; k < d->n_senders; k++) {
        struct in_flight *a;
        size_t i = 0;

        while ((a = in_flight_next(&d->schedule, k, &i)) != NULL) {
            if (has(work, delivery_position(in_flight_delivery(a))))
                in_flight_notes(a)->is_erased = true;
        }
    }
}

void payload_orders_on_second(struct dispatcher *d, struct payload_orders *o)
{
    enum err err;

    if (o->commit != 0 || fan_is_open(d)) // it has a copy of an event
        return;
    err = shard_view_payload_work(d->history, d->hooks, &o->work);
    if (err == OK)
        err = keep_ready(d, &o->work);
    if (err != OK) {
        log_warn("orders to erase payloads cannot be read", "reason=%s",
                 log_quote(str_of(err_str(err))));
        return;
    }
    if (o->work.n_erase + o->work.n_forget == 0)
        return;
    mark_in_flight(d, &o->work);
    commit_schedule(d);
    o->commit = commit_number(d);
}

struct payload_work *payload_orders_what(const struct dispatcher *d,
                                         struct payload_orders *o)
{
    return o->commit != 0 && schedule_n_commits(&d->schedule) >= o->commit &&
                   !commit_is_under_way(d)
               ? &o->work
               : NULL;
}

void payload_orders_end(struct payload_orders *o)
{
    o->commit = 0;
}
