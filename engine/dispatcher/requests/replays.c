// SPDX-License-Identifier: MIT
// replays.c — replays: sent at their own rate, after live deliveries, and accounted
// for.
//
// Happy path: every few milliseconds each replay that runs may send some deliveries: as
// many as its rate, its hook's throttle and the capacity beside live deliveries allow.
// An attempt that a replay makes is the delivery's next attempt. If it fails, it is
// tried again by the hook's schedule from the beginning, as a row of the due index like
// any other. How far the replay has come, and its results, are committed with the
// attempts.
//
// Live deliveries go first: while any wait for the hook, its replays send nothing.
//
// After a crash: what was in flight is found again in the source. What was settled is
// not sent again, since a filter does not choose a row of the history if the delivery
// has a newer attempt.

#include "engine/dispatcher/requests/replays.h"

#include "common/base/clock.h"
#include "common/base/codec.h"
#include "common/base/mem.h"
#include "common/encoding/id.h"
#include "common/log/log.h"
#include "common/model/delivery.h"
#include "common/model/replay.h"
#include "common/process/blame.h"
#include "common/process/role.h"
#include "engine/dispatcher/deliver/aside.h"
#include "engine/dispatcher/deliver/dispatch.h"
#include "engine/dispatcher/deliver/send.h"
#include "engine/dispatcher/loop/dispatcher.h"
#include "engine/dispatcher/loop/slice.h"
#include "engine/dispatcher/record/commit.h"
#include "engine/dispatcher/record/replay_progress.h"
#include "engine/dispatcher/requests/reopen.h"
#include "engine/dispatcher/requests/replay_jobs.h"
#include "engine/dispatcher/requests/replay_source.h"
#include "engine/dispatcher/schedule/alone.h"
#include "engine/dispatcher/schedule/delivery_table.h"
#include "engine/dispatcher/schedule/hook_state.h"
#include "engine/dispatcher/schedule/hook_table.h"
#include "engine/dispatcher/schedule/schedule.h"
#include "engine/dispatcher/schedule/step.h"
#include "queue/queue.h"

#define TICK_MS      5
#define PLACES_SHARE 8 // replays may use 1/8 of all senders' capacity
#define KEPT_MS      (INT64_C(7) * 24 * 3600 * 1000) // of records, after the end

struct replay_turns {
    uv_timer_t timer;
    double tokens; // those that all replays without a rate share
    int64_t tokens_at_us;
};

// --- loading ---

static void on_timer(uv_timer_t *timer)
{
    replays_run(timer->data);
}

void replays_go_on(struct dispatcher *d)
{
    if (!uv_is_active((uv_handle_t *)&d->replay_turns->timer))
        uv_timer_start(&d->replay_turns->timer, on_timer, TICK_MS, 0);
}

struct loading {
    struct dispatcher *d;
    int64_t kept_since_ms;
    struct running *last; // the replay that was loaded last
};

// The records of one replay, one for each hook, come one after the other.
static void load_running(struct loading *l, struct running *r)
{
    bool is_same = l->last != NULL && id_eq(&l->last->record.id, &r->record.id);

    replay_join(&r->holder, is_same ? l->last->holder
                                    : replay_hold(l->d, r->record.org_id));
    l->last = r;
}

static bool on_replay(void *data, const struct replay *replay)
{
    struct loading *l = data;

    if (replay->state == REPLAY_RUNNING || replay->retrying > 0) {
        struct running *r = running_new(replay);

        if (replay->state == REPLAY_RUNNING)
            load_running(l, r);
        replays_add(l->d, r);
    } else if (replay->ended_at_ms < l->kept_since_ms) {
        batch_replay_del(l->d->open_batch, replay);
    }
    return true;
}

void replays_load(struct dispatcher *d)
{
    struct loading l = { .d = d, .kept_since_ms = clock_now_ms() - KEPT_MS };

    replays_init(d);
    jobs_init(d);
    d->replay_turns = xcalloc(1, sizeof(*d->replay_turns));
    uv_timer_init(role_loop(d->role), &d->replay_turns->timer);
    d->replay_turns->timer.data = d;
    if (replays_each(d->history, NULL, on_replay, &l) != OK)
        log_fatal("replays cannot be read", "");
    if (batch_n(d->open_batch) > 0)
        commit_schedule(d);
}

// --- what came of it ---

// --- sending ---

static double refill(double tokens, int64_t *at_us, double rate)
{
    int64_t now_us = clock_mono_us();
    double burst = rate / 50 > 1 ? rate / 50 : 1;

    if (*at_us != 0)
        tokens += rate * (double)(now_us - *at_us) / 1e6;
    *at_us = now_us;
    return tokens < burst ? tokens : burst;
}

// The tokens that its attempts use: its own if it has a rate, else those that all
// replays without a rate share.
static double *tokens_of(struct dispatcher *d, struct running *r)
{
    if (r->record.rate_per_second > 0) {
        r->tokens = refill(r->tokens, &r->tokens_at_us,
                           (double)r->record.rate_per_second);
        return &r->tokens;
    }
    d->replay_turns->tokens =
        refill(d->replay_turns->tokens, &d->replay_turns->tokens_at_us,
               (double)d->config->replay_rate);
    return &d->replay_turns->tokens;
}

static size_t places(const struct dispatcher *d)
{
    size_t n = (size_t)d->config->max_inflight * d->n_senders / PLACES_SHARE;

    return n > 4 ? n : 4;
}

static bool may_send(struct dispatcher *d, const struct running *r,
                     struct hook_state *f)
{
    return dispatch_may_send(d) && replays_n_sent(d) < places(d) &&
           r->n_open < REPLAY_OPEN_MAX &&
           schedule_may_replay(&d->schedule, f, r->n_open, clock_mono_us());
}

// The delivery was part of another replay, and has waited for another attempt: it
// leaves that replay.
static void leave_other(struct dispatcher *d, struct delivery *dv)
{
    if (delivery_notes(dv)->replay != 0)
        replays_settled(d, dv, DELIVERY_CANCELLED);
    delivery_notes(dv)->replay = 0;
}

static void send_one(struct dispatcher *d, struct running *r,
                     struct hook_state *f, const struct candidate *c)
{
    struct delivery *dv = NULL;
    struct delivery_notes *notes;
    enum err err;

    // Another replay may have sent meanwhile what was read ahead.
    err = r->record.unmatched ? reopen_unmatched(d, f, c->position, &dv)
                              : reopen_delivery(d, f, c->position, &dv);
    if (err != OK) { // it is being sent already, or cannot be sent
        replays_count(d, r, DELIVERY_CANCELLED);
        return;
    }
    leave_other(d, dv);
    notes = delivery_notes(dv);
    notes->replay = r->tag;
    notes->replay_no = c->no;
    notes->is_replaying = true;
    if (notes->prior_state != PRIOR_NONE)
        notes->n_before = notes->n_attempts;
    r->open[r->n_open++] = c->no;
    replays_sent(d);
    send_now(d, dv, true);
}

static bool is_done(const struct running *r)
{
    return r->is_read && r->i_ahead == r->n_ahead && r->n_open == 0 &&
           r->record.retrying == 0;
}

// All is sent. Deliveries that were counted and not found any more count as cancelled.
static void finish(struct dispatcher *d, struct running *r)
{
    struct replay *p = &r->record;
    uint64_t settled = p->delivered + p->dead + p->cancelled;

    if (settled < p->matched)
        p->cancelled += p->matched - settled;
    replays_end(d, r, REPLAY_DONE);
}

static bool is_killer(const struct running *r)
{
    const uint8_t *id = r->record.id.bytes;

    if (blame_deaths(BLAME_REPLAY, get_be64(id), get_be64(id + 8)) <
        BLAME_ASIDE)
        return false;
    log_warn("the dispatcher died three times with a replay: it is cancelled",
             "%s", hook_log_no(r->record.hook_id));
    return true;
}

static void send_some(struct dispatcher *d, struct running *r, int64_t until_us)
{
    struct hook_state *f = hook_find(&d->schedule, r->record.hook_id);
    double *tokens;

    if (f != NULL && hook_is_aside(f))
        return; // the hook is set aside: its replay waits
    if (is_killer(r) || f == NULL || hook_record(f) == NULL) {
        replays_end(d, r, REPLAY_CANCELLED);
        return;
    }
    if (!hook_is_active(f))
        return;
    if (r->i_ahead == r->n_ahead)
        source_read(d, r, f, until_us);
    tokens = tokens_of(d, r);
    while (r->i_ahead < r->n_ahead && *tokens >= 1 && may_send(d, r, f)) {
        const struct candidate *c = &r->ahead[r->i_ahead];
        enum admission admission =
            aside_of_replay(d, hook_state_id(f), c->position);

        if (admission == ADMIT_LATER)
            break;
        r->i_ahead++;
        if (admission == ADMIT_ASIDE) {
            replays_count(d, r, DELIVERY_CANCELLED);
            continue;
        }
        *tokens -= 1;
        send_one(d, r, f, c);
    }
    if (is_done(r))
        finish(d, r);
}

// Whether the replay has ended, waits for nothing, and its record is written.
static bool is_over(const struct running *r)
{
    return r->record.state != REPLAY_RUNNING && !r->is_dirty &&
           r->n_open == 0 && r->record.retrying == 0;
}

// Gives the first replay its turn. Then it goes to the end, or leaves the memory.
static void take_turn(struct dispatcher *d, int64_t until_us)
{
    struct running *r = replays_first(d);

    if (r->record.state == REPLAY_RUNNING) {
        const uint8_t *id = r->record.id.bytes;
        struct blamed before =
            blame_begin(BLAME_REPLAY, get_be64(id), get_be64(id + 8));

        send_some(d, r, until_us);
        blame_end(before);
    }
    replays_pop(d);
    if (is_over(r)) {
        replays_take_out(d, r);
        running_free(r);
    } else {
        replays_append(d, r);
    }
}

void replays_run(struct dispatcher *d)
{
    int64_t began_us = clock_mono_us();
    int64_t until_us;
    uint64_t rest_ms;
    size_t n;

    jobs_run(d);
    n = replays_n(d);
    until_us =
        slice_end_us(clock_mono_us()); // another slice after that of a job
    for (size_t i = 0; i < n && clock_mono_us() < until_us; i++)
        take_turn(d, until_us);
    if (replays_n_added(d) != replays_n_changes(d))
        commit_schedule(d);
    rest_ms = slice_rest_ms(clock_mono_us() - began_us);
    if (replays_first(d) != NULL || jobs_any(d)) {
        slice_rest(&d->replay_turns->timer, on_timer,
                   rest_ms > TICK_MS ? rest_ms : TICK_MS);
    }
}
