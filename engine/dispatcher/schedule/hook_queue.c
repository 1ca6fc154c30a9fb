// SPDX-License-Identifier: MIT
// hook_queue.c — the deliveries that wait for a hook, in their order.
//
// A queue is first come, first served. An ordered hook's queue is sorted by position,
// and a delivery stays in it while its attempt is in flight. For each ordering key,
// only the first delivery in the queue is sent or waits for its time; the deliveries
// behind it wait until it is settled.

#include "engine/dispatcher/schedule/hook_queue.h"

#include "common/base/mem.h"
#include "engine/dispatcher/schedule/delivery_table.h"
#include "engine/dispatcher/schedule/hook_state.h"
#include "engine/dispatcher/schedule/schedule.h"

// Four times as many as an ordered hook has deliveries in memory, and so more than its
// queue has ordering keys; a power of two.
#define ORDERING_KEYS_SEEN ((size_t)4 * ORDERED_MAX)

// An ordering key that a scan of a queue has met.
struct ordering_key_seen {
    uint64_t ordering_key;
    uint64_t look; // number of that scan; the entry is free in any other scan
};

// --- what waits ---

static void start_waiting(struct schedule *s, struct delivery *dv)
{
    delivery_enter(dv, DELIVERY_WAITING);
    dv->waiting_since_us = s->now_us;
    if (!dv->is_from_log) {
        s->n_loaded++;
        return;
    }
    s->n_from_log++;
    list_push(&s->from_log, &dv->from_log);
}

static void stop_waiting(struct schedule *s, struct delivery *dv)
{
    delivery_enter(dv, DELIVERY_IN_HAND);
    if (!dv->is_from_log) {
        s->n_loaded--;
        return;
    }
    s->n_from_log--;
    list_remove(&s->from_log, &dv->from_log);
}

// --- the list ---

static void insert_after(struct delivery *dv, struct delivery *before)
{
    struct hook_state *f = dv->hook;

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

void hook_queue_push(struct schedule *s, struct delivery *dv)
{
    if (hook_is_ordered(dv->hook)) {
        insert_by_position(dv);
    } else {
        insert_after(dv, dv->hook->last);
    }
    start_waiting(s, dv);
}

void hook_queue_push_front(struct schedule *s, struct delivery *dv)
{
    if (!dv->is_listed) {
        if (hook_is_ordered(dv->hook)) {
            insert_by_position(dv);
        } else {
            insert_after(dv, NULL);
        }
    }
    start_waiting(s, dv);
}

void hook_queue_remove(struct schedule *s, struct delivery *dv)
{
    struct hook_state *f = dv->hook;

    if (dv->place == DELIVERY_WAITING)
        stop_waiting(s, dv);
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

void hook_queue_take(struct schedule *s, struct delivery *dv)
{
    if (hook_is_ordered(dv->hook)) {
        stop_waiting(s, dv);
    } else {
        hook_queue_remove(s, dv);
    }
}

const struct delivery *hook_queue_blocking(const struct hook_state *f,
                                           int64_t now_ms,
                                           int64_t *not_before_ms)
{
    if (!hook_is_ordered(f))
        return NULL;
    for (const struct delivery *dv = f->first; dv != NULL; dv = dv->next) {
        if (dv->place == DELIVERY_WAITING && dv->not_before_ms > now_ms) {
            *not_before_ms = dv->not_before_ms;
            return dv;
        }
    }
    return NULL;
}

struct delivery *hook_queue_first(const struct hook_state *f)
{
    struct delivery *dv = f->first;

    while (dv != NULL && dv->place != DELIVERY_WAITING)
        dv = dv->next;
    return dv;
}

struct delivery *hook_queue_pop(struct schedule *s, struct hook_state *f)
{
    struct delivery *dv = hook_queue_first(f);

    if (dv != NULL)
        hook_queue_remove(s, dv);
    return dv;
}

// --- order ---

// Whether this scan meets the ordering key for the first time.
static bool first_with_key(struct schedule *s, uint64_t ordering_key)
{
    size_t i = (size_t)(ordering_key * UINT64_C(0x9e3779b97f4a7c15) >> 32);

    for (size_t n = 0; n < ORDERING_KEYS_SEEN; n++) {
        struct ordering_key_seen *seen =
            &s->ordering_keys_seen[(i + n) & (ORDERING_KEYS_SEEN - 1)];

        if (seen->look != s->n_looks) {
            *seen = (struct ordering_key_seen){ .ordering_key = ordering_key,
                                                .look = s->n_looks };
            return true;
        }
        if (seen->ordering_key == ordering_key)
            return false;
    }
    return false; // the table is full: treat it as behind another delivery
}

static struct delivery *next_ordered(struct schedule *s, struct hook_state *f,
                                     int64_t *until_ms)
{
    if (s->ordering_keys_seen == NULL) {
        s->ordering_keys_seen =
            xcalloc(ORDERING_KEYS_SEEN, sizeof(*s->ordering_keys_seen));
    }
    s->n_looks++;
    for (struct delivery *dv = f->first; dv != NULL; dv = dv->next) {
        if (!first_with_key(s, dv->ordering_key) ||
            dv->place != DELIVERY_WAITING)
            continue;
        if (dv->not_before_ms <= s->now_ms) {
            stop_waiting(s, dv); // it stays in the queue
            return dv;
        }
        if (dv->not_before_ms < *until_ms)
            *until_ms = dv->not_before_ms;
    }
    return NULL;
}

struct delivery *hook_queue_next(struct schedule *s, struct hook_state *f,
                                 int64_t *until_ms)
{
    *until_ms = INT64_MAX;
    if (hook_is_ordered(f))
        return next_ordered(s, f, until_ms);
    return hook_queue_pop(s, f);
}
