// SPDX-License-Identifier: MIT
// hook_schedule.c — when a hook has its turn: in the ring of its sender, in a wait
// queue, or at a time.

#include "engine/dispatcher/schedule/hook_schedule.h"

#include "common/base/clock.h"
#include "common/log/log.h"
#include "common/process/deadline.h"
#include "common/process/role.h"
#include "engine/delivery/throttle.h"
#include "engine/dispatcher/schedule/due_time.h"
#include "engine/dispatcher/schedule/hook_queue.h"
#include "engine/dispatcher/schedule/hook_state.h"
#include "engine/dispatcher/schedule/schedule.h"
#include "engine/dispatcher/schedule/turn.h"

#define LOOK_AGAIN_MS 60000 // the longest timer: the wall clock may jump

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
void wait_queue_enter(struct wait_queue *room, struct hook_state *f)
{
    if (f->place != HOOK_RESTS)
        return;
    hook_enter(f, HOOK_IN_WAIT_QUEUE);
    f->room = room;
    f->next_ready = NULL;
    if (room->last != NULL) {
        room->last->next_ready = f;
    } else {
        room->first = f;
    }
    room->last = f;
}

void wait_queue_leave(struct hook_state *f)
{
    struct wait_queue *room = f->room;
    struct hook_state *before = NULL;

    if (room == NULL)
        return;
    for (struct hook_state *at = room->first; at != f; at = at->next_ready)
        before = at;
    if (before != NULL) {
        before->next_ready = f->next_ready;
    } else {
        room->first = f->next_ready;
    }
    if (room->last == f)
        room->last = before;
    f->room = NULL;
    hook_enter(f, HOOK_RESTS);
}

// --- the ring ---

bool due_rows_may_load(const struct hook_state *f)
{
    return f->has_due_rows && !f->are_rows_left &&
           f->spilled_until <= f->dispatcher->n_commits;
}

static bool has_work(const struct hook_state *f)
{
    return f->first != NULL || due_rows_may_load(f);
}

// Whether the hook may have one more attempt now. If only its throttle forbids it, a
// timer or the end of an attempt makes the hook ready again.
bool hook_is_its_time(struct hook_state *f)
{
    int64_t now_us;
    int64_t next_us;

    if (f->is_blocked || f->disable_wanted != HOOK_NOT_DISABLED ||
        hook_is_paused(f))
        return false;
    now_us = clock_mono_us();
    next_us = throttle_next_us(&f->throttle, &f->limits, f->n_sent, now_us);
    if (next_us <= now_us)
        return true;
    if (next_us != THROTTLE_AWAIT_RESULT)
        hook_pause_until(f, next_us);
    return false;
}

void hook_mark_ready(struct hook_state *f)
{
    struct dispatcher *d = f->dispatcher;
    struct sender_link *link;

    if (f->place != HOOK_RESTS || f->is_aside || !has_work(f))
        return;
    if (hook_is_active(f) && !hook_is_its_time(f))
        return;
    f->sender = f->wanted_sender;
    link = &d->senders[f->sender];
    hook_enter(f, HOOK_IN_RING);
    f->next_ready = NULL;
    if (link->ring_last != NULL) {
        link->ring_last->next_ready = f;
    } else {
        link->ring_first = f;
    }
    link->ring_last = f;
}

struct hook_state *ring_take(struct sender_link *link)
{
    struct hook_state *f = link->ring_first;

    link->ring_first = f->next_ready;
    if (link->ring_first == NULL)
        link->ring_last = NULL;
    hook_enter(f, HOOK_RESTS);
    return f;
}

void wait_queue_wake(struct wait_queue *room, uint32_t n)
{
    while (n > 0 && room->first != NULL) {
        struct hook_state *f = room->first;

        wait_queue_leave(f);
        hook_mark_ready(f);
        n -= f->place != HOOK_RESTS; // a hook that still rests uses no capacity
    }
}

void hook_enqueue(struct dispatcher *d, struct delivery *dv)
{
    hook_queue_push(d, dv);
    dv->hook->is_blocked = false;
    hook_mark_ready(dv->hook);
}

void hook_requeue(struct dispatcher *d, struct delivery *dv)
{
    hook_queue_push_front(d, dv);
    dv->hook->is_blocked = false;
    hook_mark_ready(dv->hook);
}

// --- due rows ---

static void on_rows_due(void *data)
{
    struct hook_state *f = data;

    f->has_due_rows = true;
    f->is_blocked = false;
    hook_mark_ready(f);
    turn_mark(f->dispatcher, TURN_SEND);
}

void hook_expect_rows(struct hook_state *f, int64_t due_at_ms)
{
    int64_t wait_ms = due_at_ms - due_now_ms(f->dispatcher);

    f->has_rows = true;
    if (wait_ms <= 0 || !hook_is_active(f)) {
        f->has_due_rows = true;
        f->is_blocked = false;
        hook_mark_ready(f);
        return;
    }
    if (wait_ms > LOOK_AGAIN_MS)
        wait_ms = LOOK_AGAIN_MS;
    deadline_within(&f->rows_due, (uint64_t)wait_ms);
}

// --- pauses ---

static void on_pause_over(void *data)
{
    struct hook_state *f = data;

    f->is_blocked = false;
    hook_mark_ready(f);
    turn_mark(f->dispatcher, TURN_SEND);
}

void hook_pause_until(struct hook_state *f, int64_t until_us)
{
    int64_t wait_ms = (until_us - clock_mono_us() + 999) / 1000;

    if (wait_ms < 1)
        wait_ms = 1;
    if (wait_ms > LOOK_AGAIN_MS)
        wait_ms = LOOK_AGAIN_MS;
    deadline_within(&f->pause_over, (uint64_t)wait_ms);
}

void hook_schedule_init(struct hook_state *f)
{
    uv_loop_t *loop = role_loop(f->dispatcher->role);

    deadline_init(&f->rows_due, loop, on_rows_due, f);
    deadline_init(&f->pause_over, loop, on_pause_over, f);
    f->n_open_timers = 2;
}
