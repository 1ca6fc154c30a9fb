// hook_schedule.c — when a hook has its turn: in the ring of its sender, in a waiting
// room, or at a time.

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

#define LOOK_AGAIN_MS 60000 // at the latest: the wall clock may jump

void hook_enter(struct followed *f, enum hook_place place)
{
    static const char *const names[] = {
        [HOOK_RESTS] = "resting",
        [HOOK_IN_RING] = "in the ring",
        [HOOK_IN_ROOM] = "in a waiting room",
        [HOOK_LEFT] = "gone",
    };
    static const unsigned may[] = {
        [HOOK_RESTS] =
            1u << HOOK_IN_RING | 1u << HOOK_IN_ROOM | 1u << HOOK_LEFT,
        [HOOK_IN_RING] = 1u << HOOK_RESTS,
        [HOOK_IN_ROOM] = 1u << HOOK_RESTS,
        [HOOK_LEFT] = 0,
    };

    if ((may[f->place] >> place & 1) == 0) {
        log_panic("a hook goes where it must not", "from=\"%s\" to=\"%s\"",
                  names[f->place], names[place]);
    }
    f->place = place;
}

// --- waiting rooms ---

// A hook is in one place: one that stands in the ring, or waits elsewhere, stays
// there, for its turn comes from there.
void room_enter(struct waiting_room *room, struct followed *f)
{
    if (f->place != HOOK_RESTS)
        return;
    hook_enter(f, HOOK_IN_ROOM);
    f->room = room;
    f->next_ready = NULL;
    if (room->last != NULL) {
        room->last->next_ready = f;
    } else {
        room->first = f;
    }
    room->last = f;
}

void room_leave(struct followed *f)
{
    struct waiting_room *room = f->room;
    struct followed *before = NULL;

    if (room == NULL)
        return;
    for (struct followed *at = room->first; at != f; at = at->next_ready)
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

bool fetch_may(const struct followed *f)
{
    return f->is_fetchable && !f->are_rows_left &&
           f->spilled_until <= f->dispatcher->n_commits;
}

static bool has_work(const struct followed *f)
{
    return f->first != NULL || fetch_may(f);
}

// Whether its pace lets one more go. If not, it comes back by itself.
bool hook_is_its_time(struct followed *f)
{
    int64_t now_us;
    int64_t next_us;

    if (f->is_stuck || f->disable_wanted != HOOK_NOT_DISABLED ||
        followed_is_paused(f))
        return false;
    now_us = clock_mono_us();
    next_us = pace_next_us(&f->pace, &f->limits, f->n_sent, now_us);
    if (next_us <= now_us)
        return true;
    if (next_us != PACE_OUTCOME)
        followed_pause(f, next_us);
    return false;
}

void pump_ready(struct followed *f)
{
    struct dispatcher *d = f->dispatcher;
    struct sender_link *link;

    if (f->place != HOOK_RESTS || f->is_aside || !has_work(f))
        return;
    if (followed_is_active(f) && !hook_is_its_time(f))
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

struct followed *ring_take(struct sender_link *link)
{
    struct followed *f = link->ring_first;

    link->ring_first = f->next_ready;
    if (link->ring_first == NULL)
        link->ring_last = NULL;
    hook_enter(f, HOOK_RESTS);
    return f;
}

void room_let_go(struct waiting_room *room, uint32_t n)
{
    while (n > 0 && room->first != NULL) {
        struct followed *f = room->first;

        room_leave(f);
        pump_ready(f);
        n -= f->place != HOOK_RESTS; // else it has to wait for something else
    }
}

void pump_enqueue(struct dispatcher *d, struct delivery *dv)
{
    line_join(d, dv);
    dv->hook->is_stuck = false;
    pump_ready(dv->hook);
}

void pump_return(struct dispatcher *d, struct delivery *dv)
{
    line_rejoin(d, dv);
    dv->hook->is_stuck = false;
    pump_ready(dv->hook);
}

// --- due rows ---

static void on_rows_due(void *data)
{
    struct followed *f = data;

    f->is_fetchable = true;
    f->is_stuck = false;
    pump_ready(f);
    turn_mark(f->dispatcher, TURN_SEND);
}

void followed_expect(struct followed *f, int64_t due_at_ms)
{
    int64_t wait_ms = due_at_ms - due_now_ms(f->dispatcher);

    f->has_rows = true;
    if (wait_ms <= 0 || !followed_is_active(f)) {
        f->is_fetchable = true;
        f->is_stuck = false;
        pump_ready(f);
        return;
    }
    if (wait_ms > LOOK_AGAIN_MS)
        wait_ms = LOOK_AGAIN_MS;
    deadline_within(&f->rows_due, (uint64_t)wait_ms);
}

// --- pauses ---

static void on_pause_over(void *data)
{
    struct followed *f = data;

    f->is_stuck = false;
    pump_ready(f);
    turn_mark(f->dispatcher, TURN_SEND);
}

void followed_pause(struct followed *f, int64_t until_us)
{
    int64_t wait_ms = (until_us - clock_mono_us() + 999) / 1000;

    if (wait_ms < 1)
        wait_ms = 1;
    if (wait_ms > LOOK_AGAIN_MS)
        wait_ms = LOOK_AGAIN_MS;
    deadline_within(&f->pause_over, (uint64_t)wait_ms);
}

void hook_schedule_init(struct followed *f)
{
    uv_loop_t *loop = role_loop(f->dispatcher->role);

    deadline_init(&f->rows_due, loop, on_rows_due, f);
    deadline_init(&f->pause_over, loop, on_pause_over, f);
    f->n_open_timers = 2;
}
