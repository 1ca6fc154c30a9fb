// SPDX-License-Identifier: MIT
// perform.c — what a dispatcher does with the effects of the scheduling core: it keeps
// rows in an index, commits them, and settles deliveries.

#include <string.h>

#include "common/base/codec.h"
#include "engine/dispatcher/schedule/alone.h"
#include "engine/dispatcher/schedule/delivery_table.h"
#include "engine/dispatcher/schedule/hook_queue.h"
#include "engine/dispatcher/schedule/hook_state.h"
#include "engine/dispatcher/schedule/hook_table.h"
#include "engine/dispatcher/schedule/schedule.h"
#include "engine/dispatcher/schedule/step.h"
#include "tests/simulation/world.h"

bool may_send(const struct world *w)
{
    return !w->is_failing;
}

void forget_if_done(struct world *w, struct hook_state *f)
{
    if (f->hook == NULL && hook_is_idle(f) && !f->is_aside &&
        sim_of(w, f->no) == NULL)
        hook_remove(&w->schedule, f);
}

// --- rows and commits ---

void put_row(struct world *w, struct delivery *dv, int64_t due_at_ms,
             bool wakes)
{
    struct fact *fact = fact_of(w, dv);

    fact->has_row = true;
    fact->wakes = wakes;
    fact->visible_from = next_commit(w);
    fact->due_at_ms = hook_is_ordered(dv->hook) ? 0 : due_at_ms;
    fact->not_before_ms = dv->not_before_ms;
}

void begin_commit(struct world *w)
{
    struct schedule *s = &w->schedule;

    struct delivery *dv;

    while ((dv = delivery_without_row(s)) != NULL) {
        put_row(w, dv, dv->due_at_ms, false);
        delivery_set_row(s, dv, fact_of(w, dv)->due_at_ms);
    }
    w->settled_committing = w->settled_open;
    w->settled_open = NULL;
    w->is_committing = true;
}

static void wake_spilled(struct world *w)
{
    for (size_t i = 0; i < N_HOOKS; i++) {
        struct sim_hook *h = &w->hooks[i];
        const struct schedule_event e = { .kind = SCHEDULE_ROWS_EXPECTED,
                                          .hook = h->f };

        if (h->id == 0 || h->wakes_after == 0 ||
            h->wakes_after > w->schedule.n_commits)
            continue;
        h->wakes_after = 0;
        tell_quietly(w, &e);
    }
}

static void wake_hooks(struct world *w)
{
    for (uint64_t i = w->first_open; i <= w->last_position; i++) {
        struct fact *fact = &w->facts[i];
        struct schedule_event e = { .kind = SCHEDULE_ROWS_EXPECTED,
                                    .due_at_ms = fact->due_at_ms };

        if (!fact->has_row || !fact->wakes ||
            fact->visible_from > w->schedule.n_commits)
            continue;
        fact->wakes = false;
        e.hook = hook_find(&w->schedule, fact->hook_id);
        if (e.hook == NULL) // deleted, and all in memory was done
            e.hook = hook_add(&w->schedule, fact->hook_id);
        tell_quietly(w, &e);
    }
}

void end_commit(struct world *w, bool is_ok)
{
    const struct schedule_event e = { .kind = SCHEDULE_COMMITTED,
                                      .commit = w->schedule.n_commits + 1 };
    struct schedule_event durable = { .kind = SCHEDULE_DURABLE };
    struct hook_state *f;

    w->is_committing = false;
    w->is_failing = !is_ok;
    if (!is_ok)
        return;
    tell_quietly(w, &e);
    while (w->settled_committing != NULL) {
        struct delivery *dv = w->settled_committing;

        w->settled_committing = dv->next;
        fact_of(w, dv)->dv = NULL;
        f = dv->hook;
        durable.delivery = dv;
        tell_quietly(w, &durable);
        forget_if_done(w, f);
    }
    wake_hooks(w);
    wake_spilled(w);
}

// --- deliveries ---

struct delivery *open_delivery(struct world *w, struct hook_state *f,
                               uint64_t position)
{
    struct fact *fact = &w->facts[position];
    struct position at;
    struct delivery *dv;

    put_be64(at.bytes, position);
    REQUIRE(w, fact->dv == NULL);
    REQUIRE(w, delivery_find(&w->schedule, f->no, at) == NULL);
    dv = delivery_add(&w->schedule, f, at);
    dv->n_deaths = fact->n_deaths;
    dv->ordering_key = fact->ordering_key;
    dv->not_before_ms = fact->not_before_ms;
    fact->dv = dv;
    return dv;
}

static void keep_until_commit(struct world *w, struct delivery *dv)
{
    delivery_enter(dv, DELIVERY_SETTLED);
    dv->next = w->settled_open;
    w->settled_open = dv;
}

void settle(struct world *w, struct delivery *dv)
{
    struct fact *fact = fact_of(w, dv);

    if (dv->notes.prior_state == PRIOR_NONE) {
        REQUIRE(w, !fact->is_done);
        fact->is_done = true;
        w->n_open--;
    }
    fact->has_row = false;
    if (dv->has_row) {
        keep_until_commit(w, dv);
    } else {
        fact->dv = NULL;
        delivery_remove(&w->schedule, dv);
    }
}

void cancel(struct world *w, struct delivery *dv)
{
    REQUIRE(w, dv->place == DELIVERY_IN_HAND && !dv->is_listed);
    settle(w, dv);
}

static void withdraw(struct world *w, struct delivery *dv)
{
    const struct schedule_event e = { .kind = SCHEDULE_WITHDRAWN,
                                      .delivery = dv };

    tell_quietly(w, &e);
}

void spill(struct world *w, struct hook_state *f, bool is_restart)
{
    struct schedule_event e = { .kind = SCHEDULE_SPILLED,
                                .hook = f,
                                .commit = is_restart ? next_commit(w) : 0 };
    struct delivery *dv;

    while ((dv = hook_queue_first(f)) != NULL) {
        withdraw(w, dv);
        if (!dv->has_row)
            put_row(w, dv, dv->due_at_ms, true);
        fact_of(w, dv)->wakes = true;
        fact_of(w, dv)->visible_from = next_commit(w);
        fact_of(w, dv)->dv = NULL;
        delivery_remove(&w->schedule, dv);
        e.commit = next_commit(w);
    }
    if (e.commit == 0)
        return;
    tell_quietly(w, &e);
    if (sim_of(w, f->no) != NULL)
        sim_of(w, f->no)->wakes_after = e.commit;
}

static bool is_due(const struct world *w, const struct hook_state *f,
                   const struct fact *fact)
{
    return !hook_is_active(f) || fact->due_at_ms <= w->now.due_ms;
}

// Reads rows by due time and position, as the index has them.
static uint64_t next_row(const struct world *w, const struct hook_state *f,
                         bool is_due_now)
{
    uint64_t best = 0;

    for (uint64_t i = w->first_open; i <= w->last_position; i++) {
        const struct fact *fact = &w->facts[i];

        if (fact->hook_id != f->no || !fact->has_row || fact->dv != NULL ||
            fact->visible_from > w->schedule.n_commits ||
            (is_due_now && !is_due(w, f, fact)))
            continue;
        if (best == 0 || fact->due_at_ms < w->facts[best].due_at_ms)
            best = i;
    }
    return best;
}

static void load_rows(struct world *w, struct hook_state *f)
{
    struct schedule_event e = { .kind = SCHEDULE_ARRIVED, .hook = f };
    uint64_t position = 0;

    REQUIRE(w, f->is_loading);
    for (size_t n = 0; n < ROWS_AT_ONCE; n++) {
        position = next_row(w, f, true);
        if (position == 0)
            break;
        REQUIRE(w, !w->facts[position].is_done);
        e.delivery = open_delivery(w, f, position);
        delivery_set_row(&w->schedule, e.delivery,
                         w->facts[position].due_at_ms);
        e.due_at_ms = w->facts[position].due_at_ms;
        tell_quietly(w, &e);
    }
    e.kind = SCHEDULE_ROWS_READ;
    e.is_end = position == 0;
    if (e.is_end) {
        position = next_row(w, f, false);
        e.has_rows = position != 0;
        e.due_at_ms = w->facts[position].due_at_ms;
    }
    tell_quietly(w, &e);
}

// --- attempts ---

static void say_ended(struct world *w, struct in_flight *a, bool is_again)
{
    const struct schedule_event e = { .kind = SCHEDULE_ENDED,
                                      .attempt = a,
                                      .is_again = is_again };

    if (w->alone == a)
        w->alone = NULL;
    tell_quietly(w, &e);
}

static void note_wait(struct world *w, const struct hook_state *f,
                      int64_t wait_us)
{
    struct sim_hook *h = sim_of(w, f->no);

    if (h != NULL && wait_us > 0 && w->now.mono_us + wait_us > h->wait_until_us)
        h->wait_until_us = w->now.mono_us + wait_us;
}

static void say_feedback(struct world *w, struct in_flight *a,
                         enum feedback feedback)
{
    const struct schedule_event e = {
        .kind = SCHEDULE_FEEDBACK,
        .attempt = a,
        .feedback = feedback,
        .jitter = (uint32_t)roll(w, UINT32_MAX),
        .wait_us = feedback == FEEDBACK_OVERLOADED && one_in(w, 2) ? 30000 : 0,
    };
    struct effects out;
    enum breaker breaker = a->delivery->hook->throttle.breaker;
    struct hook_state *f = a->delivery->hook;

    note_wait(w, f, e.wait_us);
    tell(w, &e, &out);
    REQUIRE(w, (out.n == 1) == (breaker == BREAKER_CLOSED &&
                                f->throttle.breaker == BREAKER_OPEN));
    REQUIRE(w, f->is_responsive == (feedback != FEEDBACK_UNREACHABLE));
}

static void retry(struct world *w, struct in_flight *a)
{
    struct delivery *dv = a->delivery;
    struct hook_state *f = dv->hook;
    int64_t due_at_ms = w->now.due_ms + 1 + (int64_t)roll(w, 3000);
    bool stays = hook_is_ordered(f) && !dv->is_out_of_order;

    if (hook_is_ordered(f))
        dv->not_before_ms = due_at_ms;
    if (stays)
        dv->is_from_log = false;
    put_row(w, dv, due_at_ms, !stays);
    if (!dv->has_row)
        delivery_set_row(&w->schedule, dv, fact_of(w, dv)->due_at_ms);
    say_ended(w, a, stays);
    if (!stays)
        keep_until_commit(w, dv);
    if (!stays && hook_is_ordered(f))
        spill(w, f, true);
}

static void lose(struct world *w, struct in_flight *a, int64_t wait_us)
{
    const struct schedule_event e = { .kind = SCHEDULE_LOST,
                                      .attempt = a,
                                      .wait_us = wait_us };

    note_wait(w, a->delivery->hook, wait_us);
    tell_quietly(w, &e);
}

static void end_by(struct world *w, struct in_flight *a, unsigned how)
{
    struct delivery *dv = a->delivery;
    struct hook_state *f = dv->hook;
    bool is_own = dv->notes.prior_state == PRIOR_NONE;

    if (how == ENDS_LOST || how == ENDS_UNMADE) {
        bool leaves = dv->is_out_of_order && hook_is_ordered(f);

        lose(w, a, how == ENDS_UNMADE ? 20000 : 0);
        say_ended(w, a, is_own && !leaves);
        if (!is_own) {
            settle(w, dv);
        } else if (leaves) {
            put_row(w, dv, 0, true);
            if (!dv->has_row)
                delivery_set_row(&w->schedule, dv, 0);
            keep_until_commit(w, dv);
            spill(w, f, true);
        }
        return;
    }
    dv->n_deaths = 0;
    fact_of(w, dv)->n_deaths = 0;
    say_feedback(w, a,
                 how == ENDS_WELL         ? FEEDBACK_ANSWERED
                 : how == ENDS_OVERLOADED ? FEEDBACK_OVERLOADED
                                          : FEEDBACK_UNREACHABLE);
    if (is_own && (how == ENDS_FAILED || how == ENDS_OVERLOADED) &&
        hook_is_active(dv->hook)) {
        retry(w, a);
        return;
    }
    say_ended(w, a, false);
    settle(w, dv);
}

void end_attempt(struct world *w, struct in_flight *a, unsigned how)
{
    struct hook_state *f = a->delivery->hook;

    end_by(w, a, how);
    forget_if_done(w, f);
}

// --- effects ---

static void return_attempts(struct world *w, const struct effects *out,
                            size_t from)
{
    for (size_t i = out->n; i > from; i--) {
        const struct schedule_event e = { .kind = SCHEDULE_RETURNED,
                                          .attempt = out->at[i - 1].attempt };

        if (out->at[i - 1].kind != EFFECT_SEND)
            continue;
        if (w->alone == e.attempt)
            w->alone = NULL;
        tell_quietly(w, &e);
    }
}

static void perform_one(struct world *w, const struct effect *effect,
                        bool is_single)
{
    struct hook_state *f;

    switch (effect->kind) {
    case EFFECT_SEND:
        if (effect->is_alone)
            w->alone = effect->attempt;
        check_send(w, effect->attempt, is_single);
        break;
    case EFFECT_SET_ASIDE:
        REQUIRE(w, effect->attempt->delivery->n_deaths == DEATHS_ASIDE);
        say_ended(w, effect->attempt, false); // the slot, then the delivery
        break;
    case EFFECT_CANCEL:
        REQUIRE(w, effect->reason == CANCEL_DIED
                       ? effect->delivery->n_deaths > DEATHS_ASIDE
                       : !hook_is_active(effect->delivery->hook));
        f = effect->delivery->hook;
        cancel(w, effect->delivery);
        forget_if_done(w, f);
        break;
    case EFFECT_LOAD_ROWS:
        load_rows(w, effect->hook);
        forget_if_done(w, effect->hook);
        break;
    case EFFECT_HOOK_RESTS:
        REQUIRE(w, effect->hook->hook == NULL);
        forget_if_done(w, effect->hook);
        break;
    case EFFECT_BREAKER_OPENED:
        REQUIRE(w, false);
    }
}

void perform(struct world *w, const struct effects *out)
{
    size_t n_made = one_in(w, 20) ? (size_t)roll(w, out->n + 1) : out->n;

    for (size_t i = 0; i < out->n; i++) {
        const struct effect *effect = &out->at[i];
        struct delivery *aside =
            effect->kind == EFFECT_SET_ASIDE ? effect->attempt->delivery : NULL;

        if (i == n_made)
            return_attempts(w, out, i);
        if (i >= n_made && effect->kind == EFFECT_SEND)
            continue;
        perform_one(w, effect, out->n == 1);
        if (aside != NULL) {
            struct hook_state *f = aside->hook;

            settle(w, aside);
            forget_if_done(w, f);
        }
    }
}

void give_turns(struct world *w, size_t max_effects)
{
    const struct schedule_event e = { .kind = SCHEDULE_TURNS,
                                      .max_effects = max_effects };
    struct effects out;

    if (!may_send(w))
        return;
    tell(w, &e, &out);
    REQUIRE(w, out.n <= max_effects);
    perform(w, &out);
}
