// SPDX-License-Identifier: MIT
// step.c — the scheduling core: events and the time in, effects out.

#include "engine/dispatcher/schedule/step.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "engine/delivery/throttle.h"
#include "engine/dispatcher/schedule/alarms.h"
#include "engine/dispatcher/schedule/delivery_table.h"
#include "engine/dispatcher/schedule/endpoint.h"
#include "engine/dispatcher/schedule/hook_queue.h"
#include "engine/dispatcher/schedule/hook_schedule.h"
#include "engine/dispatcher/schedule/hook_state.h"
#include "engine/dispatcher/schedule/hook_table.h"
#include "engine/dispatcher/schedule/in_flight.h"
#include "engine/dispatcher/schedule/schedule.h"
#include "engine/dispatcher/schedule/turns.h"

#define LOOK_FOR_SLOW_US INT64_C(250000)
// A replay may use a quarter of its hook's window, and none of a sender that is more
// than three quarters full: live deliveries go first.
#define REPLAY_HOOK_SHARE 4
#define REPLAY_LIVE_SHARE 4

void schedule_set_limits(struct schedule *s,
                         const struct schedule_limits *limits)
{
    uint64_t hash_seed = s->limits.hash_seed;

    s->limits = *limits;
    s->limits.hash_seed = hash_seed;
}

void schedule_init(struct schedule *s, const struct schedule_limits *limits)
{
    assert(limits->n_senders > 0 && limits->n_senders <= SENDERS_MAX);
    assert(limits->max_ordered > 0 && limits->max_ordered <= ORDERED_MAX);
    memset(s, 0, sizeof(*s));
    s->limits = *limits;
    in_flight_init(s);
}

void schedule_free(struct schedule *s)
{
    delivery_table_free(s);
    hook_table_free(s);
    endpoints_free(s);
    free(s->alarms);
    free(s->slots);
    free(s->ordering_keys_seen);
}

// --- attempts ---

static void on_begin(struct schedule *s, const struct schedule_event *e,
                     struct effects *out)
{
    struct hook_state *f = e->delivery->hook;
    struct effect *effect = &out->at[out->n++];

    f->sender = hook_sender(s, f);
    if (e->delivery->place == DELIVERY_WAITING)
        hook_queue_take(s, e->delivery);
    e->delivery->is_out_of_order = true;
    *effect = (struct effect){ .kind = EFFECT_SEND,
                               .attempt = in_flight_take(s, e->delivery) };
    if (e->is_paced) {
        effect->attempt->is_probe =
            throttle_sent(&f->throttle, &f->limits, s->now_us);
    }
}

static void on_feedback(struct schedule *s, const struct schedule_event *e,
                        struct effects *out)
{
    struct hook_state *f = e->attempt->delivery->hook;
    bool was_responsive = f->is_responsive;

    endpoint_heard(s, e->attempt->endpoint, e->feedback);
    f->is_responsive = e->feedback != FEEDBACK_UNREACHABLE;
    f->is_blocked = false;
    if (throttle_ended(&f->throttle, &f->limits, e->feedback, s->now_us,
                       e->wait_us, e->jitter) == THROTTLE_OPENED) {
        out->at[out->n++] =
            (struct effect){ .kind = EFFECT_BREAKER_OPENED, .hook = f };
    }
    // It need not wait for the share of those that do not answer any more.
    if (f->is_responsive && !was_responsive && hook_is_active(f)) {
        wait_queue_leave(f);
        hook_mark_ready(s, f);
    }
}

static void on_lost(struct schedule *s, const struct schedule_event *e)
{
    struct hook_state *f = e->attempt->delivery->hook;

    if (e->attempt->is_probe)
        throttle_lost(&f->throttle);
    if (e->wait_us > 0)
        throttle_wait(&f->throttle, s->now_us + e->wait_us);
}

// One attempt less is in flight: the hook may have less than its share now.
static void leave_over_share(struct schedule *s, struct hook_state *f)
{
    if (f->room == &s->senders[f->sender].over_share)
        wait_queue_leave(f);
}

static void on_ended(struct schedule *s, const struct schedule_event *e)
{
    struct delivery *dv = e->attempt->delivery;
    struct hook_state *f = dv->hook;

    in_flight_free(s, e->attempt);
    f->is_blocked = false; // those behind it may go
    leave_over_share(s, f);
    if (e->is_again) {
        hook_requeue(s, dv);
    } else if (dv->is_listed) {
        hook_queue_remove(s, dv);
    }
    hook_mark_ready(s, f);
}

static void on_returned(struct schedule *s, const struct schedule_event *e)
{
    struct delivery *dv = e->attempt->delivery;

    throttle_returned(&dv->hook->throttle, &dv->hook->limits);
    if (e->attempt->is_probe)
        throttle_lost(&dv->hook->throttle);
    in_flight_free(s, e->attempt);
    leave_over_share(s, dv->hook);
    hook_requeue(s, dv);
}

// The rows of an ordered hook may have waited for room in memory.
static void on_durable(struct schedule *s, struct delivery *dv)
{
    struct hook_state *f = dv->hook;

    delivery_remove(s, dv);
    if (hook_is_ordered(f) && f->n_open + 1 == s->limits.max_ordered) {
        f->is_blocked = false;
        hook_mark_ready(s, f);
    }
}

// --- rows ---

static void on_rows_read(struct schedule *s, const struct schedule_event *e)
{
    struct hook_state *f = e->hook;

    f->is_loading = false;
    if (e->is_end) {
        f->has_due_rows = false;
        f->has_rows = e->has_rows;
        f->first_due_ms = INT64_MAX;
        alarm_clear(s, &f->rows_due);
        if (e->has_rows)
            hook_expect_rows(s, f, e->due_at_ms);
    } else {
        f->rows_due_since_ms = e->due_at_ms;
    }
    hook_mark_ready_first(s, f); // its turn is not over
}

static void on_spilled(const struct schedule *s, struct hook_state *f,
                       uint64_t commit)
{
    if (!f->has_due_rows)
        f->rows_due_since_ms = s->now_ms;
    f->spilled_until = commit;
    f->rows_until = commit;
    f->has_rows = true;
    f->has_due_rows = true;
}

// --- hooks ---

static void take_endpoint(struct schedule *s, struct hook_state *f)
{
    struct endpoint *e = f->hook != NULL ? endpoint_use(s, f->hook->url) : NULL;

    if (e != f->endpoint) {
        if (e != NULL)
            hook_leave_sender(s, f); // it may be another's now
        wait_queue_leave(f);
    }
    endpoint_drop(s, f->endpoint);
    f->endpoint = e;
    f->placement = e != NULL ? endpoint_placement(e) : NULL;
}

static void on_hook_changed(struct schedule *s, const struct schedule_event *e)
{
    struct hook_state *f = e->hook;
    bool was_known = f->hook != NULL;
    bool was_paused = hook_is_paused(f);
    bool was_aside = f->is_aside;

    f->is_aside = false;
    f->hook = e->record;
    take_endpoint(s, f);
    if (f->hook != NULL)
        f->limits = *e->limits;
    if (!hook_is_active(f)) {
        f->has_due_rows = f->has_rows;
        wait_queue_leave(f);
        hook_mark_ready(s, f); // its turn cancels what waits
    } else if (hook_is_paused(f)) {
        wait_queue_leave(f);
    } else {
        if (was_paused)
            throttle_begin_slowly(&f->throttle, HOOK_WINDOW_START);
        if (!was_known && was_aside && f->has_rows)
            f->has_due_rows = true; // they may have become due meanwhile
        f->is_blocked = false;
        hook_mark_ready(s, f); // its limits may be wider now
    }
}

// --- steps ---

static void on_tick(struct schedule *s, struct effects *out)
{
    struct hook_alarm *alarm;

    while ((alarm = alarm_take(s, s->now_us)) != NULL)
        hook_on_alarm(s, alarm);
    turns_on_tick(s, out);
    if (s->now_us < s->look_for_slow_at_us)
        return;
    s->look_for_slow_at_us = s->now_us + LOOK_FOR_SLOW_US;
    in_flight_look_for_slow(s);
}

static void on_hook_event(struct schedule *s, const struct schedule_event *e)
{
    struct hook_state *f = e->hook;

    switch (e->kind) {
    case SCHEDULE_ROWS_READ:
        on_rows_read(s, e);
        break;
    case SCHEDULE_ROWS_EXPECTED:
        hook_expect_rows(s, f, e->due_at_ms);
        break;
    case SCHEDULE_ROWS_PUT:
        f->rows_until = e->commit;
        break;
    case SCHEDULE_SPILLED:
        on_spilled(s, f, e->commit);
        break;
    case SCHEDULE_ROWS_LEFT:
        f->are_rows_left = true;
        break;
    case SCHEDULE_HOOK_CHANGED:
        on_hook_changed(s, e);
        break;
    case SCHEDULE_HOOK_LIMITS:
        f->limits = *e->limits;
        hook_mark_ready(s, f); // they may be wider now
        break;
    case SCHEDULE_HOOK_HELD:
        f->is_held = e->is_set;
        hook_mark_ready(s, f);
        break;
    case SCHEDULE_HOOK_ASIDE:
        f->is_aside = e->is_set;
        hook_mark_ready(s, f);
        break;
    default:
        assert(false);
    }
}

void schedule_step(struct schedule *s, const struct schedule_event *e,
                   const struct schedule_time *now, struct effects *out)
{
    out->n = 0;
    assert(now->mono_us >= s->now_us);
    s->now_us = now->mono_us;
    s->now_ms = now->due_ms;
    switch (e->kind) {
    case SCHEDULE_TICK:
        on_tick(s, out);
        break;
    case SCHEDULE_TURNS:
        turns_give(s, e->max_effects, out);
        break;
    case SCHEDULE_ARRIVED:
        hook_enqueue(s, e->delivery);
        break;
    case SCHEDULE_WITHDRAWN:
        hook_queue_remove(s, e->delivery);
        e->delivery->hook->is_blocked = false; // those behind it may go
        break;
    case SCHEDULE_DURABLE:
        on_durable(s, e->delivery);
        break;
    case SCHEDULE_BEGIN:
        on_begin(s, e, out);
        break;
    case SCHEDULE_FEEDBACK:
        on_feedback(s, e, out);
        break;
    case SCHEDULE_LOST:
        on_lost(s, e);
        break;
    case SCHEDULE_ENDED:
        on_ended(s, e);
        break;
    case SCHEDULE_RETURNED:
        on_returned(s, e);
        break;
    case SCHEDULE_COMMITTED:
        s->n_commits = e->commit;
        break;
    case SCHEDULE_SENDER_UP:
    case SCHEDULE_SENDER_DOWN:
        s->senders[e->sender].is_up = e->kind == SCHEDULE_SENDER_UP;
        hooks_hand_over(s);
        break;
    default:
        on_hook_event(s, e);
        break;
    }
}

int64_t schedule_next_us(const struct schedule *s)
{
    int64_t next_us = alarm_first_us(s);

    if (s->cancelling.first != NULL && s->cancel_again_at_us < next_us)
        next_us = s->cancel_again_at_us;
    return s->look_for_slow_at_us < next_us ? s->look_for_slow_at_us : next_us;
}

// --- queries ---

bool schedule_must_persist(const struct schedule *s, const struct hook_state *f)
{
    return f->has_due_rows || hook_is_paused(f) ||
           (hook_is_ordered(f) && (f->n_open >= s->limits.max_ordered ||
                                   f->rows_until > s->n_commits));
}

struct hook_state *schedule_slow_hook(const struct schedule *s, int64_t now_us,
                                      int64_t us)
{
    const struct delivery *dv =
        LIST_FIRST(&s->from_log, struct delivery, from_log);

    return dv != NULL && dv->waiting_since_us < now_us - us ? dv->hook : NULL;
}

static const struct sender *sender_of(const struct schedule *s,
                                      const struct hook_state *f)
{
    return &s->senders[hook_sender(s, f)];
}

bool schedule_is_linked(const struct schedule *s, const struct hook_state *f)
{
    return sender_of(s, f)->is_up;
}

bool schedule_may_replay(struct schedule *s, struct hook_state *f,
                         size_t n_open, int64_t now_us)
{
    uint32_t window =
        throttle_window(&f->throttle, &f->limits) / REPLAY_HOOK_SHARE;
    uint32_t full =
        s->limits.max_inflight - s->limits.max_inflight / REPLAY_LIVE_SHARE;
    const struct sender *sender = sender_of(s, f);

    if (s->free_slot == NO_SLOT || f->first != NULL || f->has_due_rows ||
        f->is_held || hook_is_paused(f) || n_open >= (window > 1 ? window : 1))
        return false;
    if (throttle_next_us(&f->throttle, &f->limits, f->n_sent, now_us) > now_us)
        return false;
    // Hooks that wait for capacity have live deliveries, which go first. A replay
    // enters no wait queue: it asks again at its next turn.
    return sender->is_up && sender->n_sent < full &&
           sender_admits_unresponsive(s, sender, f) && endpoint_admits(s, f) &&
           !endpoint_is_awaited(f);
}
