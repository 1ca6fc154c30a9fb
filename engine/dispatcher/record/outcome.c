// outcome.c — turns outcomes into history and moves; commits.
//
// Happy path: outcomes, rows and the cursor are said to the change that is
// filling; a few milliseconds later it becomes one transaction, off the loop,
// while the next one fills. Deliveries that the cursor passes and that are not
// settled get their rows in the same transaction.
//
// If it fails: when the disk gets full, nothing more is begun, and what is in flight
// is committed into the room that the shard keeps for it. With no room at all the same
// change is tried again until there is. A broken disk ends the process: what was not
// committed is done again by the next one.

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/codec.h"
#include "common/base/mem.h"
#include "common/encoding/crypto.h"
#include "common/log/log.h"
#include "common/process/metrics.h"
#include "engine/delivery/request_headers.h"
#include "engine/dispatcher/deliver/fan.h"
#include "engine/dispatcher/record/attempt_rows.h"
#include "engine/dispatcher/record/backlog.h"
#include "engine/dispatcher/record/verdict.h"
#include "engine/dispatcher/schedule/schedule.h"
#include "queue/queue.h"

#define COMMIT_AFTER_MS        5
#define COMMIT_CURSOR_AFTER_MS 200 // when only the cursor moved
#define NO_ROOM_RETRY_MS       500

static void on_commit_due(void *data);

void settle_init(struct dispatcher *d)
{
    d->filling = shard_change_new();
    d->committing = shard_change_new();
    d->n_commits = 1;
    d->cursor_said = shard_cursor(d->shard);
    crypto_random(&d->jitter_state, sizeof(d->jitter_state));
    deadline_init(&d->commit_due, role_loop(d->role), on_commit_due, d);
}

bool settle_is_busy(const struct dispatcher *d)
{
    return shard_is_committing(d->shard) || d->is_commit_failing;
}

void settle_touch(struct dispatcher *d)
{
    bool only_cursor = change_n(d->filling) == 0 && d->rowless == NULL &&
                       d->filling_wakes.n == 0;
    uint64_t wait_ms = only_cursor ? COMMIT_CURSOR_AFTER_MS : COMMIT_AFTER_MS;

    if (settle_is_busy(d))
        return; // its end looks again
    deadline_within(&d->commit_due, wait_ms);
}

void settle_wake(struct dispatcher *d, uint64_t hook_no, int64_t due_at_ms)
{
    struct wakes *w = &d->filling_wakes;

    if (w->n == w->room) {
        w->room = w->room > 0 ? w->room * 2 : 256;
        w->at = xrealloc(w->at, w->room * sizeof(*w->at));
    }
    w->at[w->n++] = (struct wake){ hook_no, due_at_ms };
}

void settle_put_row(struct dispatcher *d, const struct due_row *row)
{
    change_due_put(d->filling, row);
    settle_wake(d, row->hook_no, row->due_at_ms);
}

// --- outcomes ---

static void drop_row(struct dispatcher *d, const struct delivery *dv)
{
    struct due_row row = { .hook_no = dv->hook->no,
                           .due_at_ms = dv->due_at_ms,
                           .position = dv->position };

    change_due_del(d->filling, &row);
}

// What is said of its rows is committed later: until then it stays in the table,
// so that nobody takes the row that goes, or misses the one that comes.
static void stay_until_committed(struct dispatcher *d, struct delivery *dv)
{
    dv->place = DELIVERY_SETTLED;
    dv->next = d->filling_settled;
    d->filling_settled = dv;
}

// It is settled: its row, if it has one, goes.
static void leave(struct dispatcher *d, struct delivery *dv)
{
    if (dv->is_listed)
        line_leave(d, dv);
    if (!dv->has_row) {
        open_remove(d, dv);
        return;
    }
    drop_row(d, dv);
    stay_until_committed(d, dv);
}

// It leaves the memory, and waits in the index under the key of `row`, which is
// said already.
static void leave_for_row(struct dispatcher *d, struct delivery *dv,
                          const struct due_row *row)
{
    if (dv->is_listed)
        line_leave(d, dv);
    if (!dv->has_row) {
        open_give_row(d, dv, row->due_at_ms);
    } else if (dv->due_at_ms != row->due_at_ms) {
        drop_row(d, dv);
    }
    stay_until_committed(d, dv);
}

// An ordered hook's stays in memory, in its place. Returns the row.
static struct due_row put_retry(struct dispatcher *d, const struct delivery *dv,
                                int64_t due_at_ms)
{
    struct due_row row = row_of(dv, due_at_ms);

    if (followed_is_ordered(dv->hook)) {
        change_due_put(d->filling, &row);
    } else {
        settle_put_row(d, &row);
    }
    return row;
}

static void put_dead(struct dispatcher *d, const struct delivery *dv)
{
    struct dead_row row = { .hook_no = dv->hook->no,
                            .position = dv->position,
                            .dead_at_ms = clock_now_ms(),
                            .n_attempts = dv->n_attempts,
                            .queue_us = dv->queue_us };

    change_dead_put(d->filling, &row);
}

static enum delivery_state state_after(const struct followed *f,
                                       const struct verdict *verdict)
{
    switch (verdict->kind) {
    case VERDICT_DELIVERED:
        return DELIVERY_DELIVERED;
    case VERDICT_RETRY:
    case VERDICT_AGAIN:
        return followed_is_active(f) ? DELIVERY_RETRYING : DELIVERY_CANCELLED;
    case VERDICT_DEAD:
        break;
    }
    // Of a hook that is deleted meanwhile nobody could clear a dead letter.
    return f->hook != NULL ? DELIVERY_DEAD : DELIVERY_CANCELLED;
}

static void count_state(struct dispatcher *d, enum delivery_state state)
{
    switch (state) {
    case DELIVERY_DELIVERED:
        change_count(d->filling, COUNT_DELIVERED, 1);
        metrics_count(COUNTER_DELIVERED, 1);
        break;
    case DELIVERY_RETRYING:
        metrics_count(COUNTER_RETRIED, 1);
        break;
    case DELIVERY_DEAD:
        metrics_count(COUNTER_DIED, 1);
        break;
    case DELIVERY_CANCELLED:
        change_count(d->filling, COUNT_CANCELLED, 1);
        metrics_count(COUNTER_CANCELLED, 1);
        break;
    }
}

// A delivery that was not settled before: it moves, and is counted. `row` is
// the one of its next attempt, if there is one.
static enum delivery_state move(struct dispatcher *d, struct delivery *dv,
                                const struct verdict *verdict,
                                struct due_row *row)
{
    enum delivery_state state = state_after(dv->hook, verdict);

    if (state == DELIVERY_RETRYING) {
        int64_t due_at_ms = due_now_ms(d) + verdict->delay_ms;

        if (followed_is_ordered(dv->hook))
            dv->not_before_ms = due_at_ms;
        *row = put_retry(d, dv, due_at_ms);
    }
    if (state == DELIVERY_DEAD)
        put_dead(d, dv);
    count_state(d, state);
    return state;
}

// What the attempt says about the receiver.
static void hear(struct dispatcher *d, const struct slot *s,
                 const struct outcome *o, const struct verdict *verdict)
{
    bool succeeded = verdict->kind == VERDICT_DELIVERED;
    struct followed *f = s->delivery->hook;
    enum pace_change change;

    endpoint_heard(d, s->endpoint, verdict->feedback);
    f->is_trusted = verdict->feedback != FEEDBACK_UNREACHABLE;
    f->is_stuck = false;
    change =
        pace_ended(&f->pace, &f->limits, verdict->feedback, clock_mono_us(),
                   verdict->pause_ms * 1000, verdict_jitter(d));
    if (f->hook == NULL)
        return;
    // What somebody sends by hand and what fails is no alarm by itself.
    if (succeeded || s->delivery->past == PAST_NONE || change == PACE_OPENED) {
        health_note(
            d, f,
            (struct failing_attempt){ .succeeded = succeeded,
                                      .opened_breaker = change == PACE_OPENED,
                                      .error = verdict->error,
                                      .response_code = o->response_code });
    }
    if (verdict->is_gone)
        health_gone(d, f);
}

// Its row stays where it is, or it gets one; it waits in its place.
static void stay(struct dispatcher *d, struct delivery *dv)
{
    if (dv->has_row && dv->due_at_ms != 0)
        drop_row(d, dv); // from before the hook was ordered
    if (!dv->has_row)
        open_give_row(d, dv, 0);
    dv->due_at_ms = 0;
    dv->is_fresh = false;
    pump_return(d, dv);
}

// Its row lies under the time of its event, where reopen_delivery() looks.
static void put_row_again(struct dispatcher *d, struct delivery *dv,
                          int64_t accepted_at_ms)
{
    struct due_row row = row_of(dv, accepted_at_ms);

    settle_put_row(d, &row);
    leave_for_row(d, dv, &row);
}

// No attempt was made, for want of something of our own: nothing is counted, the
// delivery stays where it is, and its hook waits a moment. A replayed one had no
// row, and gets one.
static void put_off(struct dispatcher *d, struct slot *s, int64_t delay_ms)
{
    struct delivery *dv = s->delivery;
    struct followed *f = dv->hook;
    int64_t accepted_at_ms = s->accepted_at_us / 1000;
    bool was_replaying = dv->is_replaying;

    log_warn("attempt could not be made", "%s", hook_log_or_no(f->hook, f->no));
    pace_lost(&f->pace);
    pace_wait(&f->pace, clock_mono_us() + delay_ms * 1000);
    slot_free(d, s);
    if (dv->manual != NULL)
        manual_refuse(d, dv, ERR_AGAIN);
    if (was_replaying) {
        manual_take_back(d, dv);
        replays_settled(d, dv, DELIVERY_RETRYING);
    }
    if (dv->past != PAST_NONE) {
        leave(d, dv);
    } else if (was_replaying) {
        put_row_again(d, dv, accepted_at_ms);
    } else {
        pump_return(d, dv);
    }
    pump_ready(f);
    followed_forget_if_done(f);
    settle_touch(d);
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

void settle(struct dispatcher *d, struct slot *s, const struct outcome *o)
{
    struct delivery *dv = s->delivery;
    struct followed *f = dv->hook;
    char status[32];
    struct attempt attempt = { 0 };
    struct due_row row = { 0 };
    struct verdict verdict;

    // Clocks are turned: what began before it was accepted has not waited.
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
        pace_lost(&f->pace); // it says nothing about the receiver
    } else {
        hear(d, s, o, &verdict);
    }
    if (dv->is_replaying)
        manual_take_back(d, dv);
    if (dv->past == PAST_NONE) {
        attempt.state = move(d, dv, &verdict, &row);
        if (attempt.state == DELIVERY_RETRYING) {
            attempt.next_attempt_at_ms = clock_now_ms() + verdict.delay_ms;
            attempt.due_at_ms = row.due_at_ms;
        }
    } else {
        attempt.state = manual_settle(d, dv, verdict.kind == VERDICT_DELIVERED);
    }
    attempt_write(d, s, o, &attempt);
    tally_note(d, &attempt);
    if (dv->replay != 0)
        replays_settled(d, dv, attempt.state);
    if (attempt.state == DELIVERY_DEAD && dv->past == PAST_NONE)
        dead_report_note(d, s, &attempt);
    if (dv->manual != NULL)
        manual_answer(d, dv, attempt.started_at_us);
    slot_free(d, s);
    if (!dv->is_aside)
        aside_survived(d, dv);
    if (attempt.state != DELIVERY_RETRYING || dv->past != PAST_NONE) {
        leave(d, dv);
    } else if (followed_is_ordered(f)) {
        stay(d, dv);
    } else {
        leave_for_row(d, dv, &row);
    }
    pump_ready(f);
    followed_forget_if_done(f);
    settle_touch(d);
}

bool settle_outcome(struct dispatcher *d, unsigned sender,
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
    settle(d, s, outcome);
    blame_end(before);
    return true;
}

void settle_unsent(struct dispatcher *d, struct slot *s, struct str reason)
{
    struct outcome o = {
        .error = ERROR_BLOCKED,
        .error_message = reason,
        .started_at_us = clock_now_us(),
        .response_body = reason,
    };

    settle(d, s, &o);
}

void settle_cancel(struct dispatcher *d, struct delivery *dv, struct str reason)
{
    if (dv->manual != NULL) {
        manual_refuse(d, dv, dv->hook->hook == NULL ? ERR_NOTFOUND : ERR_GONE);
    }
    if (dv->past == PAST_NONE) {
        const struct ended ended = { .hook_no = dv->hook->no,
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
    settle_touch(d);
}

// --- commits ---

static void drop_settled(struct dispatcher *d)
{
    while (d->committing_settled != NULL) {
        struct delivery *dv = d->committing_settled;
        struct followed *f = dv->hook;

        d->committing_settled = dv->next;
        open_remove(d, dv);
        followed_forget_if_done(f);
    }
}

static void wake_hooks(struct dispatcher *d)
{
    for (size_t i = 0; i < d->committing_wakes.n; i++) {
        const struct wake *w = &d->committing_wakes.at[i];

        followed_expect(followed_get(d, w->hook_no), w->due_at_ms);
    }
    d->committing_wakes.n = 0;
}

static void on_committed(void *data, enum err err)
{
    struct dispatcher *d = data;

    metrics_observe_us(HISTOGRAM_COMMIT_SECONDS,
                       clock_mono_us() - d->commit_started_us);
    if (err == ERR_FULL) {
        if (!d->is_commit_failing) {
            log_warn("no room to commit, trying again until there is",
                     "uncommitted_bytes=%zu", change_bytes(d->filling));
        }
        d->is_commit_failing = true;
        storage_look(d);
        manual_send_answers(d, err);
        deadline_within(&d->commit_due, NO_ROOM_RETRY_MS);
        return;
    }
    if (err != OK) {
        log_fatal("commit failed", "reason=%s",
                  log_quote(str_of(err_str(err))));
    }
    if (d->is_commit_failing)
        log_info("committing again", "");
    d->is_commit_failing = false;
    d->n_commits++;
    shard_change_reset(d->committing);
    backlog_on_commit(d);
    manual_send_answers(d, OK);
    drop_settled(d);
    aside_committed(d);
    wake_hooks(d);
    if (d->is_final_commit) {
        role_done(d->role);
        return;
    }
    storage_look(d);
    outbox_send(d);
    health_on_committed(d);
    if (change_n(d->filling) > 0 || d->rowless != NULL ||
        d->filling_wakes.n > 0 || d->filling_answers != NULL ||
        position_cmp(d->cursor_said, d->read_to) != 0)
        settle_touch(d);
    dispatcher_leave_if_drained(d);
    pump_all(d);
    reader_wake(d);
}

static void start_commit(struct dispatcher *d)
{
    d->commit_started_us = clock_mono_us();
    shard_commit(d->shard, d->committing, on_committed, d);
}

void settle_give_row(struct dispatcher *d, struct delivery *dv)
{
    struct due_row row = row_of(dv, dv->due_at_ms);

    change_due_put(d->filling, &row); // it is in memory: nobody to wake
    open_give_row(d, dv, row.due_at_ms);
}

// Deliveries of events that the cursor passes now, and that are not settled.
static void put_rows(struct dispatcher *d)
{
    while (d->rowless != NULL)
        settle_give_row(d, d->rowless);
}

void settle_commit_now(struct dispatcher *d)
{
    struct shard_change *change = d->filling;
    struct wakes wakes = d->filling_wakes;

    assert(!shard_is_committing(d->shard) && !d->is_commit_failing);
    assert(d->committing_settled == NULL);
    deadline_stop(&d->commit_due);
    put_rows(d);
    if (position_cmp(d->cursor_said, d->read_to) != 0)
        change_cursor(d->filling, d->read_to);
    d->cursor_said = d->read_to;
    change_clock(d->filling, due_now_ms(d),
                 due_clock_ran_ms(&d->due_clock, clock_mono_us()));
    replays_say(d);
    health_say(d);
    tally_flush(d, d->is_final_commit); // the last: all said so far is in it
    d->filling = d->committing;
    d->committing = change;
    d->filling_wakes = d->committing_wakes;
    d->committing_wakes = wakes;
    d->committing_settled = d->filling_settled;
    d->filling_settled = NULL;
    d->committing_answers = d->filling_answers;
    d->filling_answers = NULL;
    start_commit(d);
}

static void on_commit_due(void *data)
{
    struct dispatcher *d = data;

    if (d->is_commit_failing) {
        start_commit(d);
    } else if (d->fan->is_open) { // its event is not to be half matched
        deadline_within(&d->commit_due, COMMIT_AFTER_MS);
    } else if (!shard_is_committing(d->shard)) {
        settle_commit_now(d);
    }
}
