// SPDX-License-Identifier: MIT
// turns.c — which delivery goes to its sender next.
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

#include "engine/dispatcher/schedule/turns.h"

#include <assert.h>

#include "engine/delivery/throttle.h"
#include "engine/dispatcher/schedule/alone.h"
#include "engine/dispatcher/schedule/effects.h"
#include "engine/dispatcher/schedule/endpoint.h"
#include "engine/dispatcher/schedule/hook_queue.h"
#include "engine/dispatcher/schedule/hook_schedule.h"
#include "engine/dispatcher/schedule/hook_state.h"
#include "engine/dispatcher/schedule/hook_table.h"
#include "engine/dispatcher/schedule/in_flight.h"
#include "engine/dispatcher/schedule/schedule.h"

// One slice of what waits for deleted and switched-off hooks is cancelled in a
// millisecond, so that a million rows, or a thousand hooks at once, hold up no other
// hook.
#define CANCEL_TICK_US INT64_C(1000)

static struct effect *add(struct effects *out, enum effect_kind kind)
{
    struct effect *effect = &out->at[out->n++];

    assert(out->n <= EFFECTS_MAX);
    *effect = (struct effect){ .kind = kind };
    return effect;
}

static void load_rows(struct hook_state *f, struct effects *out)
{
    f->is_loading = true; // it gets ready again when they are read
    add(out, EFFECT_LOAD_ROWS)->hook = f;
}

static void cancel(struct delivery *dv, enum cancel_reason reason,
                   struct effects *out)
{
    struct effect *effect = add(out, EFFECT_CANCEL);

    effect->delivery = dv;
    effect->reason = reason;
}

// --- inactive hooks ---

// A slice of what waits for a hook that is deleted or switched off. Deliveries that are
// sent may remain in its queue.
static void cancel_slice(struct schedule *s, struct hook_state *f, size_t max,
                         struct effects *out)
{
    enum cancel_reason reason =
        f->hook == NULL ? CANCEL_DELETED : CANCEL_SWITCHED_OFF;
    size_t n_before = out->n;
    bool was_loaded = f->may_cancel_loaded;
    struct delivery *dv = NULL;

    f->may_cancel_loaded = false;
    if (s->now_us < s->cancel_again_at_us &&
        (!was_loaded || f->first == NULL)) {
        wait_queue_enter(&s->cancelling, f);
        return;
    }
    s->cancel_again_at_us = s->now_us + CANCEL_TICK_US;
    while (out->n < max && (dv = hook_queue_pop(s, f)) != NULL)
        cancel(dv, reason, out);
    if (out->n > n_before) {
        hook_mark_ready(s, f);
    } else if (due_rows_may_load(s, f)) {
        f->may_cancel_loaded = true;
        load_rows(f, out);
    } else if (f->hook == NULL) {
        add(out, EFFECT_HOOK_RESTS)->hook = f;
    }
}

void turns_on_tick(struct schedule *s, struct effects *out)
{
    struct hook_state *f = wait_queue_first(&s->cancelling);

    if (s->now_us < s->cancel_again_at_us)
        return;
    for (; f != NULL && out->n < EFFECTS_MAX;
         f = wait_queue_first(&s->cancelling)) {
        wait_queue_leave(f);
        hook_mark_ready(s, f);
        if (f->place != HOOK_RESTS)
            return;
        if (f->hook == NULL) // nothing of it may be left by now
            add(out, EFFECT_HOOK_RESTS)->hook = f;
    }
}

// --- a turn ---

// Whether a hook that was taken out of the ring may use the sender and its endpoint. If
// not, it waits until others have had their turns, or for capacity that they use.
// `is_last`: no other hook is ready that has less than its share.
static bool has_place(struct schedule *s, struct sender *sender,
                      struct hook_state *f, bool is_last)
{
    bool others_wait =
        sender->ring.first != NULL || sender->over_share.first != NULL;

    if (others_wait && !is_last && f->n_sent >= sender_share(s, HOOK_SHARE)) {
        wait_queue_enter(&sender->over_share, f);
        return false;
    }
    if (!sender_admits_unresponsive(s, sender, f)) {
        wait_queue_enter(&sender->unresponsive, f);
        return false;
    }
    if (endpoint_admits(s, f))
        return true;
    endpoint_wait(f);
    return false;
}

static bool has_room(const struct schedule *s, const struct hook_state *f)
{
    return f->first == NULL ||
           (hook_is_ordered(f) && f->n_open < s->limits.max_ordered);
}

// NULL: no delivery may go now. The hook's due rows are read first, or, if it is
// ordered, it rests until one may.
static struct delivery *next_delivery(struct schedule *s, struct hook_state *f,
                                      struct effects *out)
{
    int64_t until_ms;
    struct delivery *dv = hook_queue_next(s, f, &until_ms);

    if (dv != NULL)
        return dv;
    if (due_rows_may_load(s, f) && has_room(s, f)) {
        load_rows(f, out);
    } else if (f->first != NULL) {
        f->is_blocked = true;
        if (until_ms != INT64_MAX) {
            hook_pause_until(s, f, s->now_us + (until_ms - s->now_ms) * 1000);
        }
    }
    return NULL;
}

// Begins an attempt of a delivery that was taken from its queue.
static void begin(struct schedule *s, struct delivery *dv, struct effects *out)
{
    struct hook_state *f = dv->hook;
    enum admission admission = alone_admits(s, dv);
    struct effect *effect;

    dv->is_out_of_order = false; // it is the hook's turn
    switch (admission) {
    case ADMIT_SEND:
    case ADMIT_ALONE:
        effect = add(out, EFFECT_SEND);
        effect->attempt = in_flight_take(s, dv);
        effect->attempt->is_probe =
            throttle_sent(&f->throttle, &f->limits, s->now_us);
        effect->is_alone = admission == ADMIT_ALONE;
        break;
    case ADMIT_LATER:
        hook_requeue(s, dv);
        break;
    case ADMIT_ASIDE:
        add(out, EFFECT_SET_ASIDE)->attempt = in_flight_take(s, dv);
        break;
    case ADMIT_CANCEL:
        if (dv->is_listed)
            hook_queue_remove(s, dv);
        cancel(dv, CANCEL_DIED, out);
        break;
    }
}

static void take_turn(struct schedule *s, struct hook_state *f, bool is_last,
                      size_t max, struct effects *out)
{
    struct sender *sender = &s->senders[f->sender];
    struct delivery *dv;

    if (f->is_loading || f->is_aside)
        return;
    if (!hook_is_active(f)) {
        cancel_slice(s, f, max, out);
        return;
    }
    if (!hook_is_its_time(s, f) || !has_place(s, sender, f, is_last))
        return;
    dv = next_delivery(s, f, out);
    if (dv != NULL)
        begin(s, dv, out);
    hook_mark_ready(s, f);
}

// A turn of the hook whose suspect was waited for, out of the order of the ring.
static void take_turn_first(struct schedule *s, uint64_t hook_id, size_t max,
                            struct effects *out)
{
    struct hook_state *f = hook_id != 0 ? hook_find(s, hook_id) : NULL;

    if (f == NULL)
        return;
    f->sender = hook_sender(s, f);
    if (s->senders[f->sender].is_up)
        take_turn(s, f, false, max, out);
}

// Each hook whose rows are loaded will send at least one of them, so a load counts like
// an attempt: the rows of a thousand hooks are not loaded for one free place.
static void give_to(struct schedule *s, struct sender *sender, size_t max,
                    struct effects *out)
{
    uint32_t n_loads = 0;

    while ((sender->ring.first != NULL || sender->over_share.first != NULL) &&
           sender->is_up && sender->n_sent + n_loads < s->limits.max_inflight &&
           s->free_slot != NO_SLOT && out->n < max &&
           !alone_blocks(s, s->now_us)) {
        size_t n = out->n;

        if (sender->ring.first != NULL) {
            take_turn(s, ring_take(sender), false, max, out);
        } else {
            struct hook_state *f = wait_queue_first(&sender->over_share);

            wait_queue_leave(f);
            take_turn(s, f, true, max, out);
        }
        n_loads += out->n > n && out->at[n].kind == EFFECT_LOAD_ROWS;
    }
}

void turns_give(struct schedule *s, size_t max, struct effects *out)
{
    if (s->free_slot == NO_SLOT)
        return;
    take_turn_first(s, alone_end(s, s->now_us), max, out);
    // Not always the same sender first: hooks of one endpoint may be in several rings.
    s->n_turns++;
    for (unsigned i = 0; i < s->limits.n_senders; i++) {
        give_to(s, &s->senders[(s->n_turns + i) % s->limits.n_senders], max,
                out);
    }
}
