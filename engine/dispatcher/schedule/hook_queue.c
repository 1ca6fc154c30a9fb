// hook_queue.c — the deliveries that wait for a hook, in their order.
//
// A line is first come, first served. An ordered hook's lies by position, and
// what is sent stays in it until it has ended: of each lane the first one in the
// line is sent or stands still, and those behind it wait.

#include "engine/dispatcher/schedule/hook_queue.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "engine/dispatcher/schedule/delivery_table.h"
#include "engine/dispatcher/schedule/due_time.h"
#include "engine/dispatcher/schedule/hook_state.h"
#include "engine/dispatcher/schedule/schedule.h"
#include "queue/queue.h"

// As many places as a line may have lanes, twice over; a power of two.
#define LANES_SEEN ((size_t)4 * ORDERED_MAX)

// A lane that a look at a line has met.
struct lane_seen {
    uint64_t lane;
    uint64_t look; // the place is free in every other look
};

// --- what waits ---

static void start_waiting(struct dispatcher *d, struct delivery *dv)
{
    delivery_enter(dv, DELIVERY_WAITING);
    dv->waiting_since_us = clock_mono_us();
    if (!dv->is_fresh) {
        d->n_fetched++;
        return;
    }
    d->n_fresh++;
    dv->fresh_next = NULL;
    dv->fresh_prev = d->fresh_last;
    if (d->fresh_last != NULL) {
        d->fresh_last->fresh_next = dv;
    } else {
        d->fresh_first = dv;
    }
    d->fresh_last = dv;
}

static void stop_waiting(struct dispatcher *d, struct delivery *dv)
{
    delivery_enter(dv, DELIVERY_IN_HAND);
    if (!dv->is_fresh) {
        d->n_fetched--;
        return;
    }
    d->n_fresh--;
    if (dv->fresh_prev != NULL) {
        dv->fresh_prev->fresh_next = dv->fresh_next;
    } else {
        d->fresh_first = dv->fresh_next;
    }
    if (dv->fresh_next != NULL) {
        dv->fresh_next->fresh_prev = dv->fresh_prev;
    } else {
        d->fresh_last = dv->fresh_prev;
    }
}

// --- the list ---

static void insert_after(struct delivery *dv, struct delivery *before)
{
    struct followed *f = dv->hook;

    dv->prev = before;
    dv->next = before != NULL ? before->next : f->first;
    if (before != NULL) {
        before->next = dv;
    } else {
        f->first = dv;
    }
    if (dv->next != NULL) {
        dv->next->prev = dv;
    } else {
        f->last = dv;
    }
    dv->is_listed = true;
}

static void insert_by_position(struct delivery *dv)
{
    struct delivery *before = dv->hook->last;

    while (before != NULL && position_cmp(before->position, dv->position) > 0)
        before = before->prev;
    insert_after(dv, before);
}

void line_join(struct dispatcher *d, struct delivery *dv)
{
    if (followed_is_ordered(dv->hook)) {
        insert_by_position(dv);
    } else {
        insert_after(dv, dv->hook->last);
    }
    start_waiting(d, dv);
}

void line_rejoin(struct dispatcher *d, struct delivery *dv)
{
    if (!dv->is_listed) {
        if (followed_is_ordered(dv->hook)) {
            insert_by_position(dv);
        } else {
            insert_after(dv, NULL);
        }
    }
    start_waiting(d, dv);
}

void line_leave(struct dispatcher *d, struct delivery *dv)
{
    struct followed *f = dv->hook;

    if (dv->place == DELIVERY_WAITING)
        stop_waiting(d, dv);
    if (dv->prev != NULL) {
        dv->prev->next = dv->next;
    } else {
        f->first = dv->next;
    }
    if (dv->next != NULL) {
        dv->next->prev = dv->prev;
    } else {
        f->last = dv->prev;
    }
    dv->next = NULL;
    dv->prev = NULL;
    dv->is_listed = false;
}

struct delivery *line_take(struct dispatcher *d, struct followed *f)
{
    struct delivery *dv = f->first;

    while (dv != NULL && dv->place != DELIVERY_WAITING)
        dv = dv->next;
    if (dv != NULL)
        line_leave(d, dv);
    return dv;
}

// --- order ---

// Whether this look meets the lane for the first time.
static bool meet(struct dispatcher *d, uint64_t lane)
{
    size_t i = (size_t)(lane * UINT64_C(0x9e3779b97f4a7c15) >> 32);

    for (size_t n = 0; n < LANES_SEEN; n++) {
        struct lane_seen *seen = &d->lanes_seen[(i + n) & (LANES_SEEN - 1)];

        if (seen->look != d->n_looks) {
            *seen = (struct lane_seen){ .lane = lane, .look = d->n_looks };
            return true;
        }
        if (seen->lane == lane)
            return false;
    }
    return false; // as if it stood behind another
}

static struct delivery *next_ordered(struct dispatcher *d, struct followed *f,
                                     int64_t *until_ms)
{
    int64_t now_ms = due_now_ms(d);

    if (d->lanes_seen == NULL)
        d->lanes_seen = xcalloc(LANES_SEEN, sizeof(*d->lanes_seen));
    d->n_looks++;
    for (struct delivery *dv = f->first; dv != NULL; dv = dv->next) {
        if (!meet(d, dv->lane) || dv->place != DELIVERY_WAITING)
            continue;
        if (dv->not_before_ms <= now_ms) {
            stop_waiting(d, dv); // and stays in the line
            return dv;
        }
        if (dv->not_before_ms < *until_ms)
            *until_ms = dv->not_before_ms;
    }
    return NULL;
}

struct delivery *line_next(struct dispatcher *d, struct followed *f,
                           int64_t *until_ms)
{
    *until_ms = INT64_MAX;
    if (followed_is_ordered(f))
        return next_ordered(d, f, until_ms);
    return line_take(d, f);
}

// --- lanes ---
