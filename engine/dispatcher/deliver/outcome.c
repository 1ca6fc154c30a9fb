// SPDX-License-Identifier: MIT
// outcome.c — turns outcomes into rows of the history and new states of deliveries.
//
// Happy path: a verdict is made of an outcome; its delivery is settled, or waits for
// its next attempt; the attempt's row of the history, and what the outcome says about
// the receiver, are noted.

#include "engine/dispatcher/deliver/outcome.h"

#include <stdio.h>

#include "common/base/clock.h"
#include "common/log/log.h"
#include "common/messages/send_order.h"
#include "common/process/blame.h"
#include "common/process/metrics.h"
#include "engine/delivery/failing.h"
#include "engine/delivery/retry.h"
#include "engine/delivery/throttle.h"
#include "engine/dispatcher/deliver/aside.h"
#include "engine/dispatcher/deliver/requesters.h"
#include "engine/dispatcher/record/attempt_rows.h"
#include "engine/dispatcher/record/attempt_stats.h"
#include "engine/dispatcher/record/commit.h"
#include "engine/dispatcher/record/dead_report.h"
#include "engine/dispatcher/record/hook_health.h"
#include "engine/dispatcher/record/replay_progress.h"
#include "engine/dispatcher/record/resend_accounting.h"
#include "engine/dispatcher/record/verdict.h"
#include "engine/dispatcher/schedule/delivery_table.h"
#include "engine/dispatcher/schedule/due_time.h"
#include "engine/dispatcher/schedule/endpoint.h"
#include "engine/dispatcher/schedule/hook_queue.h"
#include "engine/dispatcher/schedule/hook_schedule.h"
#include "engine/dispatcher/schedule/hook_state.h"
#include "engine/dispatcher/schedule/hook_table.h"
#include "engine/dispatcher/schedule/in_flight.h"
#include "engine/dispatcher/schedule/schedule.h"
#include "queue/queue.h"

// The delivery is settled: its row, if it has one, is deleted.
static void leave(struct dispatcher *d, struct delivery *dv)
{
    if (dv->is_listed)
        hook_queue_remove(d, dv);
    if (!dv->has_row) {
        delivery_remove(d, dv);
        return;
    }
    commit_del_row(d, dv);
    commit_keep_settled(d, dv);
}

// The delivery leaves the memory, and waits in the index under the key of `row`, which
// is in d->open_batch already.
static void leave_for_row(struct dispatcher *d, struct delivery *dv,
                          const struct due_row *row)
{
    if (dv->is_listed)
        hook_queue_remove(d, dv);
    if (!dv->has_row) {
        delivery_set_row(d, dv, row->due_at_ms);
    } else if (dv->due_at_ms != row->due_at_ms) {
        commit_del_row(d, dv);
    }
    commit_keep_settled(d, dv);
}

// Puts the row of the next attempt, and returns it. If the hook is ordered, the
// delivery stays in memory, at its place in the queue.
static struct due_row put_retry(struct dispatcher *d, const struct delivery *dv,
                                int64_t due_at_ms)
{
    struct due_row row = delivery_row(dv, due_at_ms);

    if (hook_is_ordered(dv->hook)) {
        batch_due_put(d->open_batch, &row);
    } else {
        commit_put_row(d, &row);
    }
    return row;
}

static void put_dead(struct dispatcher *d, const struct delivery *dv)
{
    struct dead_row row = { .hook_id = dv->hook->no,
                            .position = dv->position,
                            .dead_at_ms = clock_now_ms(),
                            .n_attempts = dv->n_attempts,
                            .queue_us = dv->queue_us };

    batch_dead_put(d->open_batch, &row);
}

static enum delivery_state state_after(const struct hook_state *f,
                                       const struct verdict *verdict)
{
    switch (verdict->kind) {
    case VERDICT_DELIVERED:
        return DELIVERY_DELIVERED;
    case VERDICT_RETRY:
    case VERDICT_AGAIN:
        return hook_is_active(f) ? DELIVERY_RETRYING : DELIVERY_CANCELLED;
    case VERDICT_DEAD:
        break;
    }
    // If the hook was deleted meanwhile, nobody could clear a dead letter.
    return f->hook != NULL ? DELIVERY_DEAD : DELIVERY_CANCELLED;
}

static void count_state(struct dispatcher *d, enum delivery_state state)
{
    switch (state) {
    case DELIVERY_DELIVERED:
        batch_count(d->open_batch, COUNT_DELIVERED, 1);
        metrics_count(COUNTER_DELIVERED, 1);
        break;
    case DELIVERY_RETRYING:
        metrics_count(COUNTER_RETRIED, 1);
        break;
    case DELIVERY_DEAD:
        metrics_count(COUNTER_DIED, 1);
        break;
    case DELIVERY_CANCELLED:
        batch_count(d->open_batch, COUNT_CANCELLED, 1);
        metrics_count(COUNTER_CANCELLED, 1);
        break;
    }
}

// Changes the state of a delivery that was not settled before, and counts it. `row`
// gets the row of its next attempt, if there is one.
static enum delivery_state move(struct dispatcher *d, struct delivery *dv,
                                const struct verdict *verdict,
                                struct due_row *row)
{
    enum delivery_state state = state_after(dv->hook, verdict);

    if (state == DELIVERY_RETRYING) {
        int64_t due_at_ms = due_now_ms(d) + verdict->delay_ms;

        if (hook_is_ordered(dv->hook))
            dv->not_before_ms = due_at_ms;
        *row = put_retry(d, dv, due_at_ms);
    }
    if (state == DELIVERY_DEAD)
        put_dead(d, dv);
    count_state(d, state);
    return state;
}

// Passes what the attempt says about the receiver to endpoint, throttle and health.
static void hear(struct dispatcher *d, const struct slot *s,
                 const struct outcome *o, const struct verdict *verdict)
{
    bool succeeded = verdict->kind == VERDICT_DELIVERED;
    struct hook_state *f = s->delivery->hook;
    enum throttle_change change;

    endpoint_heard(d, s->endpoint, verdict->feedback);
    f->is_responsive = verdict->feedback != FEEDBACK_UNREACHABLE;
    f->is_blocked = false;
    change = throttle_ended(&f->throttle, &f->limits, verdict->feedback,
                            clock_mono_us(), verdict->pause_ms * 1000,
                            verdict_jitter(d));
    if (f->hook == NULL)
        return;
    // A resend by hand that fails is no reason for an alarm by itself.
    if (succeeded || s->delivery->prior_state == PRIOR_NONE ||
        change == THROTTLE_OPENED) {
        health_note(d, f,
                    (struct failing_attempt){
                        .succeeded = succeeded,
                        .opened_breaker = change == THROTTLE_OPENED,
                        .error = verdict->error,
                        .response_code = o->response_code });
    }
    if (verdict->is_gone)
        health_gone(d, f);
}

// The delivery of an ordered hook waits at its place in the queue. It keeps its row, or
// gets one.
static void stay(struct dispatcher *d, struct delivery *dv)
{
    if (dv->has_row && dv->due_at_ms != 0)
        commit_del_row(d, dv); // put before the hook was ordered
    if (!dv->has_row)
        delivery_set_row(d, dv, 0);
    dv->due_at_ms = 0;
    dv->is_from_log = false;
    hook_requeue(d, dv);
}

// The row is put under the time when the event was accepted, where reopen_delivery()
// looks.
static void put_row_again(struct dispatcher *d, struct delivery *dv,
                          int64_t accepted_at_ms)
{
    struct due_row row = delivery_row(dv, accepted_at_ms);

    commit_put_row(d, &row);
    leave_for_row(d, dv, &row);
}

// No attempt could be made, because the engine itself lacked something: nothing is
// counted, the delivery stays where it is, and its hook waits a moment. A replayed
// delivery had no row, and gets one.
static void put_off(struct dispatcher *d, struct slot *s, int64_t delay_ms)
{
    struct delivery *dv = s->delivery;
    struct hook_state *f = dv->hook;
    int64_t accepted_at_ms = s->accepted_at_us / 1000;
    bool was_replaying = dv->is_replaying;

    log_warn("attempt could not be made", "%s", hook_log_or_no(f->hook, f->no));
    throttle_lost(&f->throttle);
    throttle_wait(&f->throttle, clock_mono_us() + delay_ms * 1000);
    in_flight_free(d, s);
    if (dv->manual != NULL)
        requesters_refuse(d, dv, ERR_AGAIN);
    if (was_replaying) {
        resend_reopen(d, dv);
        replays_settled(d, dv, DELIVERY_RETRYING);
    }
    if (dv->prior_state != PRIOR_NONE) {
        leave(d, dv);
    } else if (was_replaying) {
        put_row_again(d, dv, accepted_at_ms);
    } else {
        hook_requeue(d, dv);
    }
    hook_mark_ready(f);
    hook_forget_if_done(f);
    commit_schedule(d);
}

static void put_error(struct attempt *attempt, const struct outcome *o,
                      char *status, size_t status_bytes)
{
    int n;

    attempt->error_message = o->error_message;
    if (o->error != ERROR_NONE || attempt->error == ERROR_NONE)
        return;
    n = snprintf(status, status_bytes, "status %u", o->response_code);
    attempt->error_message = (struct str){ status, (size_t)n };
}

void outcome_settle(struct dispatcher *d, struct slot *s,
                    const struct outcome *o)
{
    struct delivery *dv = s->delivery;
    struct hook_state *f = dv->hook;
    char status[32];
    struct attempt attempt = { 0 };
    struct due_row row = { 0 };
    struct verdict verdict;

    // Clocks may be changed: an attempt that began before its event was accepted has
    // not waited.
    if (dv->n_attempts == 0 && o->started_at_us > s->accepted_at_us)
        dv->queue_us = o->started_at_us - s->accepted_at_us;
    dv->n_attempts++;
    verdict = verdict_of(d, s, o);
    if (verdict.kind == VERDICT_AGAIN) {
        dv->n_attempts--;
        put_off(d, s, verdict.delay_ms);
        return;
    }
    attempt.error = verdict.error;
    put_error(&attempt, o, status, sizeof(status));
    if (dv->is_aside) {
        throttle_lost(&f->throttle); // it says nothing about the receiver
    } else {
        hear(d, s, o, &verdict);
    }
    if (dv->is_replaying)
        resend_reopen(d, dv);
    if (dv->prior_state == PRIOR_NONE) {
        attempt.state = move(d, dv, &verdict, &row);
        if (attempt.state == DELIVERY_RETRYING) {
            attempt.next_attempt_at_ms = clock_now_ms() + verdict.delay_ms;
            attempt.due_at_ms = row.due_at_ms;
        }
    } else {
        attempt.state = resend_settle(d, dv, verdict.kind == VERDICT_DELIVERED);
    }
    attempt_write(d, s, o, &attempt);
    attempt_stats_note(d, &attempt);
    if (dv->replay != 0)
        replays_settled(d, dv, attempt.state);
    if (attempt.state == DELIVERY_DEAD && dv->prior_state == PRIOR_NONE)
        dead_report_note(d, s, &attempt);
    if (dv->manual != NULL)
        requesters_answer(d, dv, attempt.started_at_us);
    in_flight_free(d, s);
    if (!dv->is_aside)
        aside_survived(d, dv);
    if (attempt.state != DELIVERY_RETRYING || dv->prior_state != PRIOR_NONE) {
        leave(d, dv);
    } else if (hook_is_ordered(f)) {
        stay(d, dv);
    } else {
        leave_for_row(d, dv, &row);
    }
    hook_mark_ready(f);
    hook_forget_if_done(f);
    commit_schedule(d);
}

bool outcome_apply(struct dispatcher *d, unsigned sender,
                   struct outcome *outcome)
{
    uint64_t index = outcome->no & UINT32_MAX;
    struct slot *s = &d->slots[index < d->n_slots ? index : 0];
    struct blamed before;

    if (index >= d->n_slots || s->delivery == NULL || s->sender != sender ||
        s->generation != outcome->no >> 32)
        return false;
    outcome_fit_into(outcome, clock_now_us(), clock_mono_us() - s->sent_at_us);
    before = aside_note(s->delivery);
    outcome_settle(d, s, outcome);
    blame_end(before);
    return true;
}

void outcome_of_unsent(struct dispatcher *d, struct slot *s, struct str reason)
{
    struct outcome o = {
        .error = ERROR_BLOCKED,
        .error_message = reason,
        .started_at_us = clock_now_us(),
        .response_body = reason,
    };

    outcome_settle(d, s, &o);
}

void delivery_cancel(struct dispatcher *d, struct delivery *dv,
                     struct str reason)
{
    if (dv->manual != NULL) {
        requesters_refuse(d, dv,
                          dv->hook->hook == NULL ? ERR_NOTFOUND : ERR_GONE);
    }
    if (dv->prior_state == PRIOR_NONE) {
        const struct ended ended = { .hook_id = dv->hook->no,
                                     .position = dv->position,
                                     .state = DELIVERY_CANCELLED,
                                     .reason = reason,
                                     .n_attempts = dv->n_attempts,
                                     .queue_us = dv->queue_us };

        count_state(d, DELIVERY_CANCELLED);
        end_write(d, &ended);
    }
    if (dv->replay != 0)
        replays_settled(d, dv, DELIVERY_CANCELLED);
    leave(d, dv);
    commit_schedule(d);
}
