// SPDX-License-Identifier: MIT
// rules.c — what an event must lead to, and what must never be.

#include "engine/delivery/throttle.h"
#include "engine/dispatcher/schedule/endpoint.h"
#include "engine/dispatcher/schedule/hook_queue.h"
#include "engine/dispatcher/schedule/hook_schedule.h"
#include "engine/dispatcher/schedule/hook_state.h"
#include "engine/dispatcher/schedule/hook_table.h"
#include "engine/dispatcher/schedule/placement.h"
#include "engine/dispatcher/schedule/schedule.h"
#include "engine/dispatcher/schedule/step.h"
#include "tests/simulation/world.h"

#define LITTLE 1e-6 // of tokens, which are sums of doubles

static double less(double a, double b)
{
    return a < b ? a : b;
}

// --- after an event ---

// An attempt that is not made costs nothing, and its delivery is the next one.
static void after_return(struct world *w, const struct before *before)
{
    const struct delivery *dv = before->delivery;
    const struct hook_state *f = dv->hook;
    const struct throttle_limits *l = &f->limits;
    double full = full_bucket(l);

    if (l->rate_per_minute > 0) {
        REQUIRE(w,
                f->throttle.tokens >= less(before->tokens + 1, full) - LITTLE);
    }
    if (!hook_is_ordered(f))
        REQUIRE(w, hook_queue_first(f) == dv);
}

// A probe that fails doubles the breaker's wait.
static void after_feedback(struct world *w, const struct schedule_event *e,
                           const struct before *before)
{
    const struct throttle *t = &before->delivery->hook->throttle;
    int64_t max_us = before->delivery->hook->limits.breaker_wait_max_us;
    int64_t wait_us = before->breaker_wait_us * 2;

    if (e->feedback == FEEDBACK_ANSWERED || before->breaker != BREAKER_PROBING)
        return;
    wait_us = wait_us < max_us ? wait_us : max_us;
    REQUIRE(w, t->breaker == BREAKER_OPEN && t->breaker_wait_us == wait_us);
    REQUIRE(w,
            t->breaker_until_us >= w->schedule.now_us + wait_us - wait_us / 5);
}

static int64_t look_us(const struct world *w, int64_t due_at_ms)
{
    int64_t wait_us = (due_at_ms - w->schedule.now_ms) * 1000;

    return w->schedule.now_us +
           (wait_us < LOOK_AGAIN_US ? wait_us : LOOK_AGAIN_US);
}

// The world's own count of when rows are due: the earliest that was told.
static void after_rows(struct world *w, const struct schedule_event *e)
{
    struct sim_hook *h = sim_of(w, e->hook->no);

    if (h == NULL || (e->kind == SCHEDULE_ROWS_READ && !e->is_end))
        return;
    if (e->kind == SCHEDULE_ROWS_READ) {
        h->rows_due_ms = INT64_MAX;
        h->rows_look_us = INT64_MAX;
        if (!e->has_rows)
            return;
    }
    if (e->due_at_ms < h->rows_due_ms)
        h->rows_due_ms = e->due_at_ms;
    if (look_us(w, e->due_at_ms) < h->rows_look_us)
        h->rows_look_us = look_us(w, e->due_at_ms);
}

// Time has come to look for rows: they are due, or it will come again.
static void after_tick(struct world *w)
{
    for (size_t i = 0; i < N_HOOKS; i++) {
        struct sim_hook *h = &w->hooks[i];

        if (h->id == 0 || h->rows_look_us == INT64_MAX || h->f->has_due_rows)
            continue;
        REQUIRE(w, h->rows_look_us > w->schedule.now_us ||
                       h->rows_due_ms > w->schedule.now_ms);
        if (h->f->rows_due.at_us > h->rows_look_us) // it has looked just now
            h->rows_look_us = look_us(w, h->rows_due_ms);
    }
}

static bool loads_rows(const struct effects *out, const struct hook_state *f)
{
    for (size_t i = 0; i < out->n; i++) {
        if (out->at[i].kind == EFFECT_LOAD_ROWS && out->at[i].hook == f)
            return true;
    }
    return false;
}

static void after_turns(struct world *w, const struct schedule_event *e,
                        const struct before *before, const struct effects *out)
{
    for (size_t i = 0; i < out->n; i++) {
        const struct hook_state *f;

        if (out->at[i].kind != EFFECT_CANCEL)
            continue;
        f = out->at[i].delivery->hook;
        if (!hook_is_active(f)) // one slice at a time
            REQUIRE(w, !f->may_cancel_loaded || loads_rows(out, f));
    }
    // After its turn a hook stands at the end.
    if (e->max_effects == 1 && out->n == 1 && out->at[0].kind == EFFECT_SEND &&
        !before->was_closed) {
        const struct hook_state *f = out->at[0].attempt->delivery->hook;

        REQUIRE(w, f->place != HOOK_IN_RING ||
                       w->schedule.senders[f->sender].ring.last == &f->turn);
    }
}

// A sender that is down gets no endpoints while another one is up.
static void after_placement(struct world *w, const struct before *before)
{
    bool is_one_up = false;

    for (size_t i = 0; i < N_SENDERS; i++)
        is_one_up = is_one_up || w->schedule.senders[i].is_up;
    for (size_t i = 0; i < N_SENDERS && is_one_up; i++) {
        const struct sender *sender = &w->schedule.senders[i];

        REQUIRE(w,
                sender->is_up || sender->n_endpoints <= before->n_endpoints[i]);
    }
}

void rules_after(struct world *w, const struct schedule_event *e,
                 const struct before *before, const struct effects *out)
{
    after_placement(w, before);
    switch (e->kind) {
    case SCHEDULE_RETURNED:
        after_return(w, before);
        break;
    case SCHEDULE_FEEDBACK:
        after_feedback(w, e, before);
        break;
    case SCHEDULE_ROWS_READ:
    case SCHEDULE_ROWS_EXPECTED:
        after_rows(w, e);
        break;
    case SCHEDULE_TICK:
        after_tick(w);
        break;
    case SCHEDULE_TURNS:
        after_turns(w, e, before, out);
        break;
    case SCHEDULE_HOOK_CHANGED: // after a pause, the backlog must not flood it
        if (before->was_paused && hook_is_active(e->hook) &&
            !hook_is_paused(e->hook))
            REQUIRE(w, e->hook->throttle.window_q8 <= HOOK_WINDOW_START * 256);
        break;
    default:
        break;
    }
}

// --- after each step ---

// A hook that is blocked has nothing that may go.
static void check_blocked(struct world *w, const struct hook_state *f)
{
    bool is_met[3] = { false }; // ordering keys

    for (const struct delivery *dv = f->first; dv != NULL; dv = dv->next) {
        REQUIRE(w, hook_is_ordered(f) || dv->place != DELIVERY_WAITING);
        if (!hook_is_ordered(f) || is_met[dv->ordering_key])
            continue;
        is_met[dv->ordering_key] = true;
        if (dv->place == DELIVERY_WAITING) {
            REQUIRE(w, dv->not_before_ms > w->schedule.now_ms ||
                           (dv->not_before_ms != 0 && f->pause_over.i > 0));
        }
    }
    REQUIRE(w, !due_rows_may_load(&w->schedule, f) ||
                   (f->first != NULL &&
                    !(hook_is_ordered(f) && f->n_open < MAX_ORDERED)));
}

// A hook that could send rests only if its sender cannot take more, or others are ready.
static void check_ready(struct world *w, struct hook_state *f)
{
    const struct sender *sender =
        &w->schedule.senders[hook_sender(&w->schedule, f)];
    int64_t next_us = throttle_next_us(&f->throttle, &f->limits, f->n_sent,
                                       w->schedule.now_us);

    if (next_us != THROTTLE_AWAIT_RESULT && next_us > w->schedule.now_us) {
        REQUIRE(w, f->pause_over.i > 0);
        REQUIRE(w, f->pause_over.at_us <= next_us + 100);
    }
    if (next_us <= w->schedule.now_us && f->pause_over.i == 0) {
        REQUIRE(w, !sender->is_up || sender->ring.first != NULL ||
                       sender->n_sent >= MAX_INFLIGHT ||
                       !endpoint_admits(&w->schedule, f));
    }
}

// A hook waits for a sender that is down only if its endpoint has none that is up.
static void check_sender(struct world *w, const struct hook_state *f)
{
    const struct sender *senders = w->schedule.senders;

    if (f->place != HOOK_IN_RING || f->placement == NULL)
        return;
    REQUIRE(w,
            senders[f->sender].is_up ||
                !senders[placement_sender(&w->schedule, f->placement)].is_up);
}

void rules_of_hook(struct world *w, struct hook_state *f)
{
    struct sim_hook *h = sim_of(w, f->no);

    check_sender(w, f);
    if (h != NULL && f->has_due_rows)
        h->rows_look_us = INT64_MAX;
    REQUIRE(w, h == NULL || h->rows_look_us == INT64_MAX ||
                   (f->rows_due.i > 0 && f->rows_due.at_us <= h->rows_look_us));
    REQUIRE(w, f->limits.rate_per_minute == 0 || f->throttle.tokens >= -LITTLE);
    if (!hook_is_active(f) || hook_is_paused(f))
        return;
    if (f->is_blocked) {
        check_blocked(w, f);
    } else if (f->place == HOOK_RESTS && !f->is_held && !f->is_aside &&
               hook_queue_first(f) != NULL) {
        check_ready(w, f);
    }
}

// --- at an attempt ---

// A hook that waits for its receiver is not passed by for ever.
void rules_of_send(struct world *w, const struct in_flight *a)
{
    for (size_t i = 0; i < N_HOOKS; i++) {
        struct sim_hook *h = &w->hooks[i];

        if (h->id == 0)
            continue;
        if (!waits_at_endpoint(w, h->f) && h->f->place != HOOK_IN_RING)
            h->n_passed_by = 0;
        if (h->f == a->delivery->hook || h->f->is_held || h->f->is_aside ||
            hook_is_paused(h->f) || !hook_is_active(h->f)) {
            h->n_passed_by = 0;
        } else if (h->f->endpoint == a->endpoint && h->f->place != HOOK_RESTS) {
            REQUIRE(w, ++h->n_passed_by <= 60);
        }
    }
}

// Live deliveries that wait for a receiver go before those of a replay.
void rules_of_replay(struct world *w, const struct hook_state *f)
{
    for (const struct hook_state *g = hook_next(&w->schedule, NULL); g != NULL;
         g = hook_next(&w->schedule, g)) {
        if (g == f || !waits_at_endpoint(w, g) || g->endpoint != f->endpoint)
            continue;
        REQUIRE(w, !g->is_responsive && f->is_responsive);
    }
}
