// SPDX-License-Identifier: MIT
// hook_schedule.c — when a hook has its turn: in the ring of its sender, in a wait
// queue, or at a time.

#include "engine/dispatcher/schedule/hook_schedule.h"

#include <assert.h>

#include "common/base/list.h"
#include "common/log/log.h"
#include "engine/delivery/throttle.h"
#include "engine/dispatcher/schedule/alarms.h"
#include "engine/dispatcher/schedule/hook_queue.h"
#include "engine/dispatcher/schedule/hook_state.h"
#include "engine/dispatcher/schedule/placement.h"
#include "engine/dispatcher/schedule/schedule.h"

// The longest alarm: the clock of due times may jump ahead.
#define LOOK_AGAIN_US INT64_C(60000000)

void hook_enter(struct hook_state *f, enum hook_place place)
{
    static const char *const names[] = {
        [HOOK_RESTS] = "resting",
        [HOOK_IN_RING] = "in the ring",
        [HOOK_IN_WAIT_QUEUE] = "in a wait queue",
        [HOOK_LEFT] = "gone",
    };
    static const unsigned may[] = {
        [HOOK_RESTS] =
            1u << HOOK_IN_RING | 1u << HOOK_IN_WAIT_QUEUE | 1u << HOOK_LEFT,
        [HOOK_IN_RING] = 1u << HOOK_RESTS,
        [HOOK_IN_WAIT_QUEUE] = 1u << HOOK_RESTS,
        [HOOK_LEFT] = 0,
    };

    if ((may[f->place] >> place & 1) == 0) {
        log_panic("a hook goes where it must not", "from=\"%s\" to=\"%s\"",
                  names[f->place], names[place]);
    }
    f->place = place;
}

// --- wait queues ---

// A hook is in one place. If it is in a ring or in a wait queue already, it stays
// there, since its turn comes from there.
void wait_queue_enter(struct list *room, struct hook_state *f)
{
    if (f->place != HOOK_RESTS)
        return;
    hook_enter(f, HOOK_IN_WAIT_QUEUE);
    f->room = room;
    list_push(room, &f->turn);
}

void wait_queue_leave(struct hook_state *f)
{
    if (f->room == NULL)
        return;
    list_remove(f->room, &f->turn);
    f->room = NULL;
    hook_enter(f, HOOK_RESTS);
}

struct hook_state *wait_queue_first(const struct list *room)
{
    return LIST_FIRST(room, struct hook_state, turn);
}

// --- the ring ---

bool due_rows_may_load(const struct schedule *s, const struct hook_state *f)
{
    return f->has_due_rows && !f->are_rows_left &&
           f->spilled_until <= s->n_commits;
}

static bool has_work(const struct schedule *s, const struct hook_state *f)
{
    return !f->is_loading && (f->first != NULL || due_rows_may_load(s, f));
}

bool hook_is_its_time(struct schedule *s, struct hook_state *f)
{
    int64_t next_us;

    if (f->is_blocked || f->is_held || hook_is_paused(f))
        return false;
    next_us = throttle_next_us(&f->throttle, &f->limits, f->n_sent, s->now_us);
    if (next_us <= s->now_us)
        return true;
    if (next_us != THROTTLE_AWAIT_RESULT)
        hook_pause_until(s, f, next_us);
    return false;
}

unsigned hook_sender(const struct schedule *s, const struct hook_state *f)
{
    return f->placement != NULL && f->place == HOOK_RESTS
               ? placement_sender(s, f->placement)
               : f->sender;
}

// Whether the hook, which goes into the ring of its sender with this, is ready.
static bool enter_ring(struct schedule *s, struct hook_state *f)
{
    if (f->place != HOOK_RESTS || f->is_aside || !has_work(s, f))
        return false;
    if (hook_is_active(f) && !hook_is_its_time(s, f))
        return false;
    f->sender = hook_sender(s, f);
    hook_enter(f, HOOK_IN_RING);
    return true;
}

void hook_mark_ready(struct schedule *s, struct hook_state *f)
{
    if (enter_ring(s, f))
        list_push(&s->senders[f->sender].ring, &f->turn);
}

void hook_mark_ready_first(struct schedule *s, struct hook_state *f)
{
    if (enter_ring(s, f))
        list_push_front(&s->senders[f->sender].ring, &f->turn);
}

void hook_leave_sender(struct schedule *s, struct hook_state *f)
{
    struct sender *sender = &s->senders[f->sender];

    if (f->place == HOOK_IN_RING) {
        list_remove(&sender->ring, &f->turn);
        hook_enter(f, HOOK_RESTS);
    } else if (f->room == &sender->unresponsive ||
               f->room == &sender->over_share) {
        wait_queue_leave(f);
    }
}

// Those in one queue of a sender that is down.
static void hand_over(struct schedule *s, struct list *queue)
{
    struct hook_state *next;

    for (struct hook_state *f = LIST_FIRST(queue, struct hook_state, turn);
         f != NULL; f = next) {
        next = LIST_NEXT(f, struct hook_state, turn);
        if (f->placement == NULL ||
            !s->senders[placement_sender(s, f->placement)].is_up)
            continue;
        hook_leave_sender(s, f);
        hook_mark_ready(s, f);
    }
}

void hooks_hand_over(struct schedule *s)
{
    for (unsigned i = 0; i < s->limits.n_senders; i++) {
        struct sender *sender = &s->senders[i];

        if (sender->is_up)
            continue;
        hand_over(s, &sender->ring);
        hand_over(s, &sender->over_share);
        hand_over(s, &sender->unresponsive);
    }
}

struct hook_state *ring_take(struct sender *sender)
{
    struct hook_state *f = LIST_POP(&sender->ring, struct hook_state, turn);

    assert(f != NULL);
    hook_enter(f, HOOK_RESTS);
    return f;
}

void wait_queue_wake(struct schedule *s, struct list *room, uint32_t n)
{
    while (n > 0 && room->first != NULL) {
        struct hook_state *f = wait_queue_first(room);

        wait_queue_leave(f);
        hook_mark_ready(s, f);
        n -= f->place != HOOK_RESTS; // a hook that still rests uses no capacity
    }
}

void hook_enqueue(struct schedule *s, struct delivery *dv)
{
    hook_queue_push(s, dv);
    dv->hook->is_blocked = false;
    hook_mark_ready(s, dv->hook);
}

void hook_requeue(struct schedule *s, struct delivery *dv)
{
    hook_queue_push_front(s, dv);
    dv->hook->is_blocked = false;
    hook_mark_ready(s, dv->hook);
}

// --- alarms ---

static int64_t look_again_us(const struct schedule *s, int64_t wait_us)
{
    return s->now_us + (wait_us < LOOK_AGAIN_US ? wait_us : LOOK_AGAIN_US);
}

void hook_expect_rows(struct schedule *s, struct hook_state *f,
                      int64_t due_at_ms)
{
    int64_t wait_ms = due_at_ms - s->now_ms;

    f->has_rows = true;
    if (wait_ms <= 0 || !hook_is_active(f)) {
        if (!f->has_due_rows || due_at_ms < f->rows_due_since_ms)
            f->rows_due_since_ms = due_at_ms;
        f->has_due_rows = true;
        f->is_blocked = false;
        hook_mark_ready(s, f);
        return;
    }
    if (due_at_ms < f->first_due_ms)
        f->first_due_ms = due_at_ms;
    if (wait_ms > LOOK_AGAIN_US / 1000)
        wait_ms = LOOK_AGAIN_US / 1000;
    alarm_set(s, &f->rows_due, look_again_us(s, wait_ms * 1000));
}

void hook_pause_until(struct schedule *s, struct hook_state *f,
                      int64_t until_us)
{
    alarm_set(s, &f->pause_over, look_again_us(s, until_us - s->now_us));
}

void hook_on_alarm(struct schedule *s, struct hook_alarm *a)
{
    struct hook_state *f = a->hook;

    if (a == &f->rows_due) {
        hook_expect_rows(s, f, f->first_due_ms); // which may not have come yet
        return;
    }
    f->is_blocked = false;
    hook_mark_ready(s, f);
}
