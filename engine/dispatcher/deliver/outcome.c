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
#include "common/model/delivery.h"
#include "common/process/blame.h"
#include "common/process/metrics.h"
#include "engine/delivery/failing.h"
#include "engine/delivery/retry.h"
#include "engine/dispatcher/deliver/aside.h"
#include "engine/dispatcher/deliver/due_rows.h"
#include "engine/dispatcher/deliver/requesters.h"
#include "engine/dispatcher/deliver/spans.h"
#include "engine/dispatcher/loop/core.h"
#include "engine/dispatcher/loop/dispatcher.h"
#include "engine/dispatcher/loop/due_time.h"
#include "engine/dispatcher/record/attempt_rows.h"
#include "engine/dispatcher/record/attempt_stats.h"
#include "engine/dispatcher/record/commit.h"
#include "engine/dispatcher/record/dead_report.h"
#include "engine/dispatcher/record/hook_health.h"
#include "engine/dispatcher/record/hooks.h"
#include "engine/dispatcher/record/replay_progress.h"
#include "engine/dispatcher/record/resend_accounting.h"
#include "engine/dispatcher/record/verdict.h"
#include "engine/dispatcher/schedule/delivery_table.h"
#include "engine/dispatcher/schedule/effects.h"
#include "engine/dispatcher/schedule/hook_state.h"
#include "engine/dispatcher/schedule/in_flight.h"
#include "engine/dispatcher/schedule/schedule.h"
#include "engine/dispatcher/schedule/step.h"
#include "queue/queue.h"

// The attempt is over for the scheduling core. Its delivery is in hand, or, if
// `is_again`, back in its queue.
static void end(struct dispatcher *d, struct in_flight *s, bool is_again)
{
    const struct schedule_event event = { .kind = SCHEDULE_ENDED,
                                          .attempt = s,
                                          .is_again = is_again };

    core_note(d, &event);
}

// The delivery, which is in hand, is settled: its row, if it has one, is deleted.
static void leave(struct dispatcher *d, struct delivery *dv)
{
    if (!delivery_has_row(dv)) {
        delivery_remove(&d->schedule, dv);
        return;
    }
    commit_del_row(d, dv);
    commit_keep_settled(d, dv);
}

// The delivery leaves the memory, and waits in the index under the key of `row`, which
// is in d->open_batch already. If its hook is ordered, nothing may overtake it: what
// waits in memory goes into the index as well.
static void leave_for_row(struct dispatcher *d, struct delivery *dv,
                          const struct due_row *row)
{
    if (!delivery_has_row(dv)) {
        delivery_set_row(&d->schedule, dv, row->due_at_ms);
    } else if (delivery_due_at_ms(dv) != row->due_at_ms) {
        commit_del_row(d, dv);
    }
    commit_keep_settled(d, dv);
    if (hook_is_ordered(delivery_hook(dv)))
        due_rows_restart(d, delivery_hook(dv));
}

// Puts the row of the next attempt, and returns it. If the hook is ordered, the
// delivery stays in memory, at its place in the queue.
static struct due_row put_retry(struct dispatcher *d, const struct delivery *dv,
                                int64_t due_at_ms)
{
    struct due_row row = delivery_row(dv, due_at_ms);

    if (hook_is_ordered(delivery_hook(dv)) && !delivery_must_leave(dv)) {
        batch_due_put(d->open_batch, &row);
    } else {
        commit_put_row(d, &row);
    }
    return row;
}

static void put_dead(struct dispatcher *d, const struct delivery *dv)
{
    struct dead_row row = { .hook_id = hook_state_id(delivery_hook(dv)),
                            .position = delivery_position(dv),
                            .dead_at_ms = clock_now_ms(),
                            .n_attempts = delivery_noted(dv)->n_attempts,
                            .queue_us = delivery_noted(dv)->queue_us };

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
    return hook_record(f) != NULL ? DELIVERY_DEAD : DELIVERY_CANCELLED;
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

// Counts the attempt by the class of its error or, if a whole response came, of its
// status code.
static void count_result(const struct outcome *o)
{
    static const enum counter errors[ERROR_CLASSES] = {
        [ERROR_DNS] = COUNTER_RESULT_DNS,
        [ERROR_CONNECT] = COUNTER_RESULT_CONNECT,
        [ERROR_TLS] = COUNTER_RESULT_TLS,
        [ERROR_TIMEOUT] = COUNTER_RESULT_TIMEOUT,
        [ERROR_RESET] = COUNTER_RESULT_RESET,
        [ERROR_PROTOCOL] = COUNTER_RESULT_PROTOCOL,
        [ERROR_BLOCKED] = COUNTER_RESULT_BLOCKED,
    };
    enum counter counter = COUNTER_RESULT_5XX;

    if (o->error != ERROR_NONE && o->error != ERROR_STATUS &&
        o->error != ERROR_GONE) {
        counter = errors[o->error];
    } else if (o->response_code < 300) {
        counter = COUNTER_RESULT_2XX;
    } else if (o->response_code < 400) {
        counter = COUNTER_RESULT_3XX;
    } else if (o->response_code < 500) {
        counter = COUNTER_RESULT_4XX;
    }
    metrics_count(counter, 1);
}

// Changes the state of a delivery that was not settled before, and counts it. `row`
// gets the row of its next attempt, if there is one.
static enum delivery_state move(struct dispatcher *d, struct delivery *dv,
                                const struct verdict *verdict,
                                struct due_row *row)
{
    enum delivery_state state = state_after(delivery_hook(dv), verdict);

    if (state == DELIVERY_RETRYING) {
        int64_t due_at_ms = due_now_ms(d) + verdict->delay_ms;

        if (hook_is_ordered(delivery_hook(dv)))
            delivery_set_not_before(dv, due_at_ms);
        *row = put_retry(d, dv, due_at_ms);
    }
    if (state == DELIVERY_DEAD)
        put_dead(d, dv);
    count_state(d, state);
    return state;
}

// Passes what the attempt says about the receiver to endpoint, throttle and health.
static void apply_feedback(struct dispatcher *d, struct in_flight *s,
                           const struct outcome *o,
                           const struct verdict *verdict)
{
    bool succeeded = verdict->kind == VERDICT_DELIVERED;
    struct hook_state *f = delivery_hook(in_flight_delivery(s));
    const struct schedule_event event = { .kind = SCHEDULE_FEEDBACK,
                                          .attempt = s,
                                          .feedback = verdict->feedback,
                                          .wait_us = verdict->pause_ms * 1000,
                                          .jitter = verdict_jitter(d) };
    struct effects out;
    bool has_opened;

    core_step(d, &event, &out);
    has_opened = out.n > 0; // the hook's breaker, by this attempt
    if (hook_record(f) == NULL)
        return;
    // A resend by hand that fails is no reason for an alarm by itself.
    if (succeeded ||
        delivery_notes(in_flight_delivery(s))->prior_state == PRIOR_NONE ||
        has_opened) {
        health_note(
            d, f,
            (struct failing_attempt){ .succeeded = succeeded,
                                      .opened_breaker = has_opened,
                                      .error = verdict->error,
                                      .response_code = o->response_code });
    }
    if (verdict->is_gone)
        health_gone(d, f);
}

// The delivery of an ordered hook will wait at its place in the queue. It keeps its
// row, or gets one.
static void keep_row(struct dispatcher *d, struct delivery *dv)
{
    if (delivery_has_row(dv) && delivery_due_at_ms(dv) != 0)
        commit_del_row(d, dv); // put before the hook was ordered
    delivery_keep(&d->schedule, dv);
}

void delivery_to_row(struct dispatcher *d, struct delivery *dv,
                     int64_t due_at_ms)
{
    struct due_row row = delivery_row(dv, due_at_ms);

    commit_put_row(d, &row);
    leave_for_row(d, dv, &row);
    commit_schedule(d);
}

// The attempt says nothing about the receiver; its hook sends nothing for `wait_us`.
static void lose(struct dispatcher *d, struct in_flight *s, int64_t wait_us)
{
    const struct schedule_event event = { .kind = SCHEDULE_LOST,
                                          .attempt = s,
                                          .wait_us = wait_us };

    core_note(d, &event);
}

// No attempt could be made, because the engine itself lacked something: nothing is
// counted, the delivery stays where it is, and its hook waits a moment. A replayed
// delivery had no row, and gets one.
static void defer(struct dispatcher *d, struct in_flight *s, int64_t delay_ms)
{
    struct delivery *dv = in_flight_delivery(s);
    struct delivery_notes *notes = delivery_notes(dv);
    struct hook_state *f = delivery_hook(dv);
    int64_t accepted_at_ms = in_flight_notes(s)->accepted_at_us / 1000;
    bool was_replaying = notes->is_replaying;
    bool is_again;

    log_warn("attempt could not be made", "%s",
             hook_log_or_no(hook_record(f), hook_state_id(f)));
    lose(d, s, delay_ms * 1000);
    if (notes->requesters != NULL)
        requesters_refuse(d, dv, ERR_AGAIN);
    if (was_replaying) {
        resend_reopen(d, dv);
        replays_settled(d, dv, DELIVERY_RETRYING);
    }
    is_again = notes->prior_state == PRIOR_NONE && !was_replaying &&
               !delivery_must_leave(dv);
    end(d, s, is_again);
    if (notes->prior_state != PRIOR_NONE) {
        leave(d, dv);
    } else if (!is_again) {
        // Under the time when the event was accepted, where reopen_delivery() looks.
        delivery_to_row(d, dv, accepted_at_ms);
    }
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

// Ends the attempt of a delivery that is in this state now; `row` is that of its next
// attempt, if there is one.
static void end_in_state(struct dispatcher *d, struct in_flight *s,
                         enum delivery_state state, const struct due_row *row)
{
    struct delivery *dv = in_flight_delivery(s);
    bool waits = state == DELIVERY_RETRYING &&
                 delivery_notes(dv)->prior_state == PRIOR_NONE;
    bool stays =
        waits && hook_is_ordered(delivery_hook(dv)) && !delivery_must_leave(dv);

    if (stays)
        keep_row(d, dv);
    end(d, s, stays);
    if (!waits) {
        leave(d, dv);
    } else if (!stays) {
        leave_for_row(d, dv, row);
    }
}

void outcome_settle(struct dispatcher *d, struct in_flight *s,
                    const struct outcome *o)
{
    struct delivery *dv = in_flight_delivery(s);
    struct delivery_notes *notes = delivery_notes(dv);
    struct hook_state *f = delivery_hook(dv);
    char status[32];
    struct attempt attempt = { 0 };
    struct due_row row = { 0 };
    struct verdict verdict;
    bool is_first;

    // Clocks may be changed: an attempt that began before its event was accepted has
    // not waited.
    is_first = notes->n_attempts == 0;
    if (is_first && o->started_at_us > in_flight_notes(s)->accepted_at_us)
        notes->queue_us = o->started_at_us - in_flight_notes(s)->accepted_at_us;
    notes->n_attempts++;
    verdict = verdict_of(d, s, o);
    if (verdict.kind == VERDICT_AGAIN) {
        notes->n_attempts--;
        defer(d, s, verdict.delay_ms);
        return;
    }
    attempt.error = verdict.error;
    put_error(&attempt, o, status, sizeof(status));
    if (notes->is_aside) {
        lose(d, s, 0);
    } else {
        apply_feedback(d, s, o, &verdict);
        count_result(o);
        spans_of_attempt(d, s, o, verdict.error, notes->n_attempts);
        if (is_first && notes->prior_state == PRIOR_NONE)
            metrics_observe_us(HISTOGRAM_QUEUE_SECONDS, notes->queue_us);
    }
    if (notes->is_replaying)
        resend_reopen(d, dv);
    if (notes->prior_state == PRIOR_NONE) {
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
    if (notes->replay != 0)
        replays_settled(d, dv, attempt.state);
    if (attempt.state == DELIVERY_DEAD && notes->prior_state == PRIOR_NONE)
        dead_report_note(d, s, &attempt);
    if (notes->requesters != NULL)
        requesters_answer(d, dv, attempt.started_at_us);
    if (!notes->is_aside)
        aside_survived(d, dv);
    end_in_state(d, s, attempt.state, &row);
    hook_forget_if_done(f);
    commit_schedule(d);
}

bool outcome_apply(struct dispatcher *d, unsigned sender,
                   struct outcome *outcome)
{
    struct in_flight *s = in_flight_find(&d->schedule, sender, outcome->no);
    struct blamed before;

    if (s == NULL)
        return false;
    outcome_fit_into(outcome, clock_now_us(),
                     clock_mono_us() - in_flight_sent_at_us(s));
    before = aside_note(in_flight_delivery(s));
    outcome_settle(d, s, outcome);
    blame_end(before);
    return true;
}

void outcome_of_unsent(struct dispatcher *d, struct in_flight *s,
                       struct str reason)
{
    struct outcome o = {
        .error = ERROR_BLOCKED,
        .error_message = reason,
        .started_at_us = clock_now_us(),
        .response_body = reason,
    };

    outcome_settle(d, s, &o);
}

void outcome_of_unreadable(struct dispatcher *d, struct in_flight *s,
                           struct str reason)
{
    struct delivery *dv = in_flight_delivery(s);

    lose(d, s, 0);
    end(d, s, false);
    delivery_cancel(d, dv, reason);
}

void delivery_cancel(struct dispatcher *d, struct delivery *dv,
                     struct str reason)
{
    struct delivery_notes *notes = delivery_notes(dv);

    if (notes->requesters != NULL) {
        requesters_refuse(d, dv,
                          hook_record(delivery_hook(dv)) == NULL ? ERR_NOTFOUND
                                                                 : ERR_GONE);
    }
    if (notes->prior_state == PRIOR_NONE) {
        const struct ended ended = { .hook_id =
                                         hook_state_id(delivery_hook(dv)),
                                     .position = delivery_position(dv),
                                     .state = DELIVERY_CANCELLED,
                                     .reason = reason,
                                     .n_attempts = notes->n_attempts,
                                     .queue_us = notes->queue_us };

        count_state(d, DELIVERY_CANCELLED);
        end_write(d, &ended);
    }
    if (notes->replay != 0)
        replays_settled(d, dv, DELIVERY_CANCELLED);
    leave(d, dv);
    commit_schedule(d);
}
