// SPDX-License-Identifier: MIT
// dispatch.c — which delivery goes to its sender next.
//
// Happy path: hooks that have something to send are in the ring of their sender. A turn
// of a hook sends one delivery, and the hook goes to the end of the ring, so no hook
// waits for another's queue. A hook's throttle limits its own turns; `max_inflight`
// limits the sender.
//
// No hook keeps the others from a sender: while others wait, a hook may use a quarter
// of the sender's capacity at most. Hooks that did not answer their last attempt, or
// never answered, share half of it. An attempt that has been in flight for a second is
// counted apart, so that receivers that hang do not use up the capacity for those that
// answer.
//
// If it fails: without a sender, everything waits where it is.

#include "engine/dispatcher/deliver/dispatch.h"

#include "common/base/clock.h"
#include "common/process/deadline.h"
#include "common/process/role.h"
#include "engine/delivery/throttle.h"
#include "engine/dispatcher/deliver/aside.h"
#include "engine/dispatcher/deliver/attempt.h"
#include "engine/dispatcher/deliver/due_rows.h"
#include "engine/dispatcher/deliver/outcome.h"
#include "engine/dispatcher/record/storage.h"
#include "engine/dispatcher/schedule/due_time.h"
#include "engine/dispatcher/schedule/endpoint.h"
#include "engine/dispatcher/schedule/hook_queue.h"
#include "engine/dispatcher/schedule/hook_schedule.h"
#include "engine/dispatcher/schedule/hook_state.h"
#include "engine/dispatcher/schedule/hook_table.h"
#include "engine/dispatcher/schedule/in_flight.h"
#include "engine/dispatcher/schedule/schedule.h"
#include "engine/dispatcher/schedule/turn.h"
#include "queue/queue.h"

#define CANCEL_TICK_MS 1
// A hook may use 1/HOOK_SHARE of a sender's capacity while others wait.
#define HOOK_SHARE 4
// With this many uncommitted bytes nothing more is sent. It is an eighth of the room
// that a shard keeps for a full disk (STORE_ROOM_BYTES): the commit before may have as
// much, and both may take twice as much on disk.
#define UNCOMMITTED_MAX_BYTES ((size_t)2 * 1024 * 1024)
// A commit that takes longer than this may never end: what is sent in the meantime
// would be sent again if the process were killed.
#define COMMIT_LATE_US INT64_C(100000)

static void on_cancel_due(void *data);

// --- the ring ---

// --- turns ---

// One turn of a hook that is deleted or switched off: cancels what waits. Deliveries
// that are sent may remain in its queue.
static void cancel_some(struct hook_state *f)
{
    struct dispatcher *d = f->dispatcher;
    struct delivery *dv = hook_queue_pop(d, f);

    if (dv == NULL && due_rows_may_load(f)) {
        due_rows_load(f);
        dv = hook_queue_pop(d, f);
    }
    for (; dv != NULL; dv = hook_queue_pop(d, f)) {
        delivery_cancel(d, dv,
                        f->hook == NULL ? STR("the webhook was deleted")
                                        : STR("the webhook was switched off"));
    }
    if (f->has_due_rows)
        hook_mark_ready(f);
    hook_forget_if_done(f);
}

// One slice of what waits for deleted and switched-off hooks is cancelled in each tick,
// so that a million rows, or a thousand hooks at once, hold up no other hook.
static void cancel_slice(struct dispatcher *d, struct hook_state *f)
{
    deadline_within(&d->cancel_due, CANCEL_TICK_MS);
    if (d->has_cancelled) {
        wait_queue_enter(&d->cancelling, f);
        return;
    }
    d->has_cancelled = true;
    cancel_some(f);
}

static void on_cancel_due(void *data)
{
    struct dispatcher *d = data;
    struct hook_state *f = d->cancelling.first;

    d->has_cancelled = false;
    wait_queue_wake(&d->cancelling, 1);
    if (f != NULL)
        hook_forget_if_done(f); // nothing of it may be left by now
    turn_mark(d, TURN_SEND);
    if (d->cancelling.first != NULL)
        deadline_within(&d->cancel_due, CANCEL_TICK_MS);
}

bool dispatch_may_send(const struct dispatcher *d)
{
    return !d->is_draining && d->free_slot != NO_SLOT && storage_has_room(d) &&
           batch_bytes(d->open_batch) < UNCOMMITTED_MAX_BYTES &&
           (!d->is_committing ||
            clock_mono_us() - d->commit_started_us < COMMIT_LATE_US);
}

// Whether a hook that was taken out of the ring may use the sender and its endpoint. If
// not, the end of an attempt makes it ready again: one of its own, or one that frees
// capacity which the hook waits for.
static bool has_place(struct sender_link *link, struct hook_state *f)
{
    if (link->ring_first != NULL && f->n_sent >= sender_share(link, HOOK_SHARE))
        return false;
    if (!sender_admits_unresponsive(link, f)) {
        wait_queue_enter(&link->untrusted, f);
        return false;
    }
    if (endpoint_admits(f))
        return true;
    endpoint_wait(f);
    return false;
}

static bool has_room(const struct hook_state *f)
{
    return f->first == NULL || (hook_is_ordered(f) && f->n_open < ORDERED_MAX);
}

// NULL: no delivery may go now. An ordered hook then rests until one may.
static struct delivery *next_delivery(struct hook_state *f)
{
    struct dispatcher *d = f->dispatcher;
    struct delivery *dv;
    int64_t until_ms;

    if (f->first == NULL && due_rows_may_load(f))
        due_rows_load(f);
    dv = hook_queue_next(d, f, &until_ms);
    while (dv == NULL && due_rows_may_load(f) && has_room(f)) {
        due_rows_load(f);
        dv = hook_queue_next(d, f, &until_ms);
        if (!hook_is_ordered(f))
            break;
    }
    if (dv == NULL && f->first != NULL) {
        f->is_blocked = true;
        if (until_ms != INT64_MAX) {
            hook_pause_until(f, clock_mono_us() +
                                    (until_ms - due_now_ms(d)) * 1000);
        }
    }
    return dv;
}

// Begins an attempt of a delivery that was taken from its queue.
static void begin(struct dispatcher *d, struct delivery *dv)
{
    struct hook_state *f = dv->hook;

    switch (aside_admits(d, dv)) {
    case ADMIT_SEND:
        throttle_sent(&f->throttle, &f->limits, clock_mono_us());
        attempt_begin(d, dv);
        break;
    case ADMIT_LATER:
        hook_requeue(d, dv);
        break;
    case ADMIT_ASIDE:
        attempt_set_aside(d, dv);
        break;
    case ADMIT_CANCEL:
        delivery_cancel(d, dv,
                        STR("the dispatcher died with this delivery, and with "
                            "setting it aside"));
        break;
    }
}

static void take_turn(struct sender_link *link, struct hook_state *f)
{
    struct dispatcher *d = link->dispatcher;
    struct delivery *dv;

    if (!hook_is_active(f)) {
        cancel_slice(d, f);
        return;
    }
    if (!hook_is_its_time(f) || !has_place(link, f))
        return;
    dv = next_delivery(f);
    if (dv != NULL)
        begin(d, dv);
    hook_mark_ready(f);
}

// A turn of this hook, out of the order of the ring.
static void take_turn_first(struct hook_state *f)
{
    struct sender_link *link;

    if (f->place == HOOK_RESTS)
        f->sender = f->wanted_sender;
    link = &f->dispatcher->senders[f->sender];
    if (link->chan != NULL && dispatch_may_send(link->dispatcher) &&
        !f->is_aside)
        take_turn(link, f);
}

static void dispatch_to(struct sender_link *link)
{
    struct dispatcher *d = link->dispatcher;
    struct hook_state *first = aside_look(d);

    if (first != NULL)
        take_turn_first(first);
    while (link->ring_first != NULL && link->chan != NULL &&
           link->n_sent < d->config->max_inflight && dispatch_may_send(d) &&
           !aside_blocks(d))
        take_turn(link, ring_take(link));
}

void dispatch_all(struct dispatcher *d)
{
    for (unsigned i = 0; i < d->n_senders; i++)
        dispatch_to(&d->senders[i]);
}

// --- attempts that take long ---

void dispatch_init(struct dispatcher *d)
{
    deadline_init(&d->cancel_due, role_loop(d->role), on_cancel_due, d);
}
