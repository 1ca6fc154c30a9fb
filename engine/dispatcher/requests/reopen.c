// SPDX-License-Identifier: MIT
// reopen.c — finds a delivery, wherever it is, to make one more attempt of it.
//
// A delivery is in memory, or its row is in the index, or it was settled: then it gets
// a prior_state, which the outcome of the attempt may change. Whether a delivery was
// ever sent is known from memory, index and history together.

#include "engine/dispatcher/requests/reopen.h"

#include "common/model/delivery.h"
#include "common/model/event.h"
#include "engine/dispatcher/deliver/aside.h"
#include "engine/dispatcher/loop/dispatcher.h"
#include "engine/dispatcher/schedule/delivery_table.h"
#include "engine/dispatcher/schedule/hook_state.h"
#include "engine/dispatcher/schedule/schedule.h"
#include "queue/queue.h"

struct lookup {
    struct dispatcher *d;
    struct hook_state *f;
    int64_t accepted_at_us; // of the event
    bool is_locked;         // so is this
    bool is_erased;         // and this
    // The newest row of the delivery in the history:
    bool is_found;
    enum delivery_state state;
    uint32_t n_attempts;
    int64_t queue_us;
    int64_t due_at_ms;
};

struct delivery *reopen_as(struct dispatcher *d, struct hook_state *f,
                           struct position position,
                           enum prior_state prior_state)
{
    struct delivery *dv = delivery_add(&d->schedule, f, position);

    delivery_set_row(&d->schedule, dv, 0); // no commit shall give it a row
    delivery_notes(dv)->prior_state = prior_state;
    delivery_set_deaths(dv, aside_deaths(hook_state_id(f), position));
    return dv;
}

static bool on_newest(void *data, uint64_t no, const struct attempt *a)
{
    struct lookup *s = data;

    (void)no;
    s->is_found = true;
    s->state = a->state;
    s->n_attempts = a->attempt;
    s->queue_us = a->timing.queue_us;
    s->due_at_ms = a->due_at_ms;
    return false;
}

// Finds the newest row of a delivery in the history. ERR_NOTFOUND: there is none.
static enum err find_newest(struct lookup *s, struct position position)
{
    struct history_query query = { .owner_no = hook_state_id(s->f),
                                   .event = &position,
                                   .max_rows = 1 };
    enum err err = history_scan(s->d->history, &query, on_newest, s);

    return err == OK && !s->is_found ? ERR_NOTFOUND : err;
}

// Finds the row of a delivery that waits. Its due time is the one that its last attempt
// noted, or, without an attempt, the time of its event; or 0 if the hook was ordered
// when the row was put. ERR_NOTFOUND: the delivery does not wait.
static enum err find_row(const struct lookup *s, struct position position,
                         struct due_row *out)
{
    const int64_t due_at_ms[] = { s->due_at_ms, s->accepted_at_us / 1000, 0 };
    enum err err = ERR_NOTFOUND;

    for (size_t i = 0;
         i < sizeof(due_at_ms) / sizeof(due_at_ms[0]) && err == ERR_NOTFOUND;
         i++) {
        err = shard_due_get(s->d->shard, hook_state_id(s->f), due_at_ms[i],
                            position, out);
    }
    return err;
}

static enum err open_row(const struct lookup *s, struct position position,
                         struct delivery **out)
{
    struct due_row row;
    enum err err = find_row(s, position, &row);

    if (err != OK)
        return err;
    *out = delivery_add_row(&s->d->schedule, s->f, &row);
    delivery_set_deaths(*out, aside_deaths(hook_state_id(s->f), position));
    return OK;
}

static enum err find_prior_state(const struct lookup *s,
                                 struct position position,
                                 enum prior_state *out)
{
    struct dead_row row;
    enum err err;

    if (s->state == DELIVERY_DELIVERED || s->state == DELIVERY_CANCELLED) {
        *out =
            s->state == DELIVERY_DELIVERED ? PRIOR_DELIVERED : PRIOR_CANCELLED;
        return OK;
    }
    err = shard_dead_get(s->d->shard, hook_state_id(s->f), position, &row);
    *out = err == OK ? PRIOR_DEAD : PRIOR_EXPIRED;
    return err == ERR_NOTFOUND ? OK : err;
}

// Opens a delivery that is not in memory, but in the history.
static enum err open_stored(const struct lookup *s, struct position position,
                            struct delivery **out)
{
    // A due row says more than the history: a replayed delivery whose attempt could not
    // be made waits, although its newest attempt is from before the replay. While a
    // change of its row is not committed, a delivery is in memory. So a delivery that
    // is retrying and has no due row was cancelled by a version that added no row to
    // the history for that.
    enum prior_state prior_state = PRIOR_CANCELLED;
    enum err err = open_row(s, position, out);

    if (err != ERR_NOTFOUND)
        return err;
    if (s->state != DELIVERY_RETRYING) {
        err = find_prior_state(s, position, &prior_state);
        if (err != OK)
            return err;
    }
    *out = reopen_as(s->d, s->f, position, prior_state);
    delivery_notes((*out))->n_attempts = s->n_attempts;
    delivery_notes((*out))->queue_us = s->queue_us;
    return OK;
}

static bool on_payload(void *data, const struct event *event)
{
    struct lookup *s = data;

    s->accepted_at_us = event->accepted_at_us;
    s->is_locked = event->is_locked;
    s->is_erased = event_is_erased(event);
    return false;
}

// Reads when the event was accepted. ERR_GONE: retention removed it. ERR_LOCKED: the key
// of its payload is not there. ERR_ERASED: an order erased it.
static enum err read_payload(struct lookup *s, struct position position)
{
    enum err err = event_view_get(s->d->events, position, on_payload, s);

    if (err == OK && s->is_locked)
        return ERR_LOCKED;
    if (err == OK && s->is_erased)
        return ERR_ERASED;
    return err == ERR_NOTFOUND ? ERR_GONE : err;
}

// Opens a delivery that has no row in the history: it waits for its first attempt, or
// does not exist. The row of an event that the cursor has just passed may not be
// committed yet.
static enum err open_untried(const struct lookup *s, struct position position,
                             struct delivery **out)
{
    enum err err = open_row(s, position, out);

    if (err == ERR_NOTFOUND &&
        position_cmp(position, shard_cursor(s->d->shard)) > 0)
        err = ERR_AGAIN;
    return err;
}

enum err reopen_delivery(struct dispatcher *d, struct hook_state *f,
                         struct position position, struct delivery **out)
{
    struct lookup s = { .d = d, .f = f };
    struct delivery *dv =
        delivery_find(&d->schedule, hook_state_id(f), position);
    enum err err;

    // Rows of spilled deliveries are in a change that is not committed yet.
    if ((dv != NULL && delivery_place(dv) != DELIVERY_WAITING) ||
        (dv == NULL && hook_is_spilled(&d->schedule, f)))
        return ERR_AGAIN;
    err = read_payload(&s, position);
    if (err != OK)
        return err;
    if (dv == NULL) {
        err = find_newest(&s, position);
        if (err == OK) {
            err = open_stored(&s, position, &dv);
        } else if (err == ERR_NOTFOUND) {
            err = open_untried(&s, position, &dv);
        }
    }
    *out = dv;
    return err;
}

// Whether the hook has, or had, a delivery of the event: it is in memory, or the
// history has an attempt or an end of it, or it waits for its first attempt.
static enum err is_matched(const struct lookup *s, struct position position)
{
    struct lookup found = *s;
    struct due_row row;
    enum err err = OK;

    if (delivery_find(&s->d->schedule, hook_state_id(s->f), position) == NULL) {
        err = find_newest(&found, position);
        if (err == ERR_NOTFOUND)
            err = find_row(s, position, &row);
    }
    return err;
}

enum err reopen_unmatched(struct dispatcher *d, struct hook_state *f,
                          struct position position, struct delivery **out)
{
    struct lookup s = { .d = d, .f = f };
    enum err err = read_payload(&s, position);

    if (err != OK)
        return err;
    err = is_matched(&s, position);
    if (err != ERR_NOTFOUND)
        return err == OK ? ERR_EXISTS : err;
    *out = reopen_as(d, f, position, PRIOR_NEVER);
    return OK;
}
