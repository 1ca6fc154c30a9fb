// SPDX-License-Identifier: MIT
// act.c — what may happen to a dispatcher, each with its share of the steps.

#include <string.h>

#include "common/base/codec.h"
#include "engine/dispatcher/schedule/alone.h"
#include "engine/dispatcher/schedule/delivery_table.h"
#include "engine/dispatcher/schedule/hook_state.h"
#include "engine/dispatcher/schedule/hook_table.h"
#include "engine/dispatcher/schedule/schedule.h"
#include "engine/dispatcher/schedule/step.h"
#include "tests/simulation/world.h"

static const char *const urls[N_URLS] = { "https://a.example/x",
                                          "https://a.example/y",
                                          "https://b.example/",
                                          "https://c.example/" };

// --- hooks ---

static void change_hook(struct world *w, struct sim_hook *h, bool is_calm)
{
    const unsigned url = (unsigned)roll(w, N_URLS);
    const struct throttle_limits limits = {
        .max_inflight = 1 + (uint32_t)roll(w, 6),
        .rate_per_minute = one_in(w, 4) ? 1 + (uint32_t)roll(w, 1200) : 0,
        .rate_burst = (uint32_t)roll(w, 5),
        .breaker_failures = (uint32_t)roll(w, 5),
        .breaker_wait_us = BREAKER_WAIT_US,
        .breaker_wait_max_us = 4 * (int64_t)BREAKER_WAIT_US,
    };
    struct hook *record = &h->records[h->i_record ^= 1];
    const struct schedule_event e = { .kind = SCHEDULE_HOOK_CHANGED,
                                      .hook = h->f,
                                      .record = record,
                                      .limits = &limits };
    bool was_ordered = hook_is_ordered(h->f);

    *record = (struct hook){
        .no = h->id,
        .url = { urls[url], strlen(urls[url]) },
        .active = is_calm || !one_in(w, 6),
        .paused = !is_calm && one_in(w, 5),
        .awaits_handshake = !is_calm && one_in(w, 8),
        .policy.ordered = one_in(w, 6) ? !was_ordered : was_ordered,
    };
    if (!record->policy.ordered) {
        h->ordered_since = NEVER;
    } else if (!was_ordered) {
        h->ordered_since = w->last_position;
    }
    h->tokens_at_us = 0; // the world counts anew: the limits may have changed
    tell_quietly(w, &e);
    if (hook_is_paused(h->f))
        spill(w, h->f, false);
}

static void add_hook(struct world *w, struct sim_hook *h)
{
    *h = (struct sim_hook){ .id = w->next_hook_id++,
                            .ordered_since = NEVER,
                            .rows_due_ms = INT64_MAX,
                            .rows_look_us = INT64_MAX };
    h->f = hook_add(&w->schedule, h->id);
    change_hook(w, h, false);
    if (one_in(w, 3)) {
        h->records[h->i_record].policy.ordered = true;
        h->ordered_since = w->last_position;
    }
}

static void delete_hook(struct world *w, struct sim_hook *h)
{
    struct schedule_event e = { .kind = SCHEDULE_HOOK_HELD, .hook = h->f };

    tell_quietly(w, &e);
    e.kind = SCHEDULE_HOOK_CHANGED;
    tell_quietly(w, &e);
    *h = (struct sim_hook){ .id = 0 };
    forget_if_done(w, e.hook);
}

static void flag_hook(struct world *w, struct sim_hook *h, bool is_set)
{
    const struct schedule_event e = { .kind = one_in(w, 2)
                                                  ? SCHEDULE_HOOK_HELD
                                                  : SCHEDULE_HOOK_ASIDE,
                                      .hook = h->f,
                                      .is_set = is_set };

    tell_quietly(w, &e);
}

// A reload of the settings.
static void limit_hook(struct world *w, struct sim_hook *h)
{
    struct throttle_limits limits = h->f->limits;
    const struct schedule_event e = { .kind = SCHEDULE_HOOK_LIMITS,
                                      .hook = h->f,
                                      .limits = &limits };

    limits.max_inflight = 1 + (uint32_t)roll(w, 6);
    limits.breaker_failures = (uint32_t)roll(w, 5);
    tell_quietly(w, &e);
}

static void act_on_hook(struct world *w)
{
    struct sim_hook *h = &w->hooks[roll(w, N_HOOKS)];

    if (h->id == 0) {
        add_hook(w, h);
    } else if (one_in(w, 5)) {
        delete_hook(w, h);
    } else if (one_in(w, 5)) {
        flag_hook(w, h, one_in(w, 2));
    } else if (one_in(w, 5)) {
        limit_hook(w, h);
    } else {
        change_hook(w, h, false);
    }
}

// --- deliveries ---

static void arrive(struct world *w)
{
    struct sim_hook *h = &w->hooks[roll(w, N_HOOKS)];
    struct schedule_event e = { .kind = SCHEDULE_ARRIVED, .hook = h->f };
    struct fact *fact;
    struct hook_state *slow;

    if (h->id == 0 || !hook_is_active(h->f) || h->f->is_aside ||
        (w->has_suspects && one_in(w, 40) &&
         !alone_admits_event(&w->schedule, 2, w->now.mono_us)) ||
        w->n_open >= OPEN_MAX || w->last_position + 2 >= FACTS_MAX)
        return;
    fact = &w->facts[++w->last_position];
    *fact = (struct fact){ .hook_id = h->id,
                           .due_at_ms = w->now.due_ms,
                           .ordering_key = roll(w, 3) };
    if (w->has_suspects && one_in(w, 60))
        fact->n_deaths = 1 + (uint32_t)roll(w, 4);
    w->n_open++;
    if (schedule_must_persist(&w->schedule, h->f)) {
        if (hook_is_ordered(h->f))
            fact->due_at_ms = 0;
        fact->has_row = true;
        fact->wakes = true;
        fact->visible_from = next_commit(w);
        e.kind = SCHEDULE_ROWS_PUT;
        e.commit = w->schedule.n_commits + 2;
    } else {
        e.delivery = open_delivery(w, h->f, w->last_position);
        e.delivery->is_from_log = true;
        e.delivery->due_at_ms = fact->due_at_ms;
    }
    tell_quietly(w, &e);
    if (w->schedule.n_from_log >= WAITING_LIMIT) {
        slow = schedule_slow_hook(&w->schedule, w->now.mono_us, 1000);
        if (slow != NULL)
            spill(w, slow, false);
    }
}

static struct in_flight *any_in_flight(struct world *w)
{
    struct schedule *s = &w->schedule;
    size_t from = (size_t)roll(w, s->n_slots);

    for (size_t i = 0; i < s->n_slots; i++) {
        struct in_flight *a = &s->slots[(from + i) % s->n_slots];

        if (a->delivery != NULL && !w->is_dying[a->sender])
            return a;
    }
    return NULL;
}

static void end_some_attempt(struct world *w)
{
    static const unsigned hows[] = { ENDS_WELL,   ENDS_WELL,       ENDS_WELL,
                                     ENDS_WELL,   ENDS_WELL,       ENDS_FAILED,
                                     ENDS_FAILED, ENDS_OVERLOADED, ENDS_DEAD,
                                     ENDS_UNMADE };
    struct in_flight *a = any_in_flight(w);

    if (a != NULL)
        end_attempt(w, a, hows[roll(w, sizeof(hows) / sizeof(hows[0]))]);
}

// --- attempts out of turn ---

static void begin(struct world *w, struct delivery *dv, bool is_paced)
{
    const struct schedule_event e = { .kind = SCHEDULE_BEGIN,
                                      .delivery = dv,
                                      .is_paced = is_paced };
    struct effects out;

    fact_of(w, dv)->was_asked_for = true;
    tell(w, &e, &out);
    REQUIRE(w, out.n == 1 && out.at[0].kind == EFFECT_SEND);
    REQUIRE(w, out.at[0].attempt->delivery == dv);
}

// A delivery in any state but in flight or until a commit: NULL if there is none.
static struct delivery *reopen(struct world *w, uint64_t position)
{
    struct fact *fact = &w->facts[position];
    struct hook_state *f = hook_find(&w->schedule, fact->hook_id);
    struct delivery *dv = fact->dv;

    if (f == NULL || f->hook == NULL || f->is_aside)
        return NULL;
    if (dv != NULL) {
        dv->n_deaths = 0;
        return dv->place == DELIVERY_WAITING ? dv : NULL;
    }
    if (!fact->is_done &&
        (!fact->has_row || fact->visible_from > w->schedule.n_commits ||
         f->spilled_until > w->schedule.n_commits))
        return NULL;
    dv = open_delivery(w, f, position);
    if (position < w->first_open)
        w->first_open = position;
    delivery_set_row(&w->schedule, dv, fact->due_at_ms);
    dv->notes.prior_state = fact->is_done ? PRIOR_DELIVERED : PRIOR_NONE;
    dv->n_deaths = 0;
    return dv;
}

static void ask_for_attempt(struct world *w)
{
    struct delivery *dv;
    uint64_t position;
    const struct hook_state *f;

    if (w->last_position == 0 || w->schedule.free_slot == NO_SLOT ||
        !may_send(w) || alone_blocks(&w->schedule, w->now.mono_us))
        return;
    position = 1 + roll(w, w->last_position);
    f = hook_find(&w->schedule, w->facts[position].hook_id);
    if (f == NULL || !schedule_is_linked(&w->schedule, f))
        return;
    dv = reopen(w, position);
    if (dv != NULL)
        begin(w, dv, false);
}

static void replay_one(struct world *w)
{
    struct hook_state *f;
    struct delivery *dv;
    uint64_t position;

    if (w->last_position == 0 || !may_send(w))
        return;
    position = 1 + roll(w, w->last_position);
    f = hook_find(&w->schedule, w->facts[position].hook_id);
    if (f == NULL || !hook_is_active(f) || f->is_aside ||
        !schedule_may_replay(&w->schedule, f, 0, w->now.mono_us) ||
        alone_admits_replay(&w->schedule, 0, w->now.mono_us) != ADMIT_SEND)
        return;
    dv = reopen(w, position);
    if (dv == NULL)
        return;
    begin(w, dv, true);
    rules_of_replay(w, f);
    REQUIRE(w, !hook_is_paused(f) && !f->is_held);
    REQUIRE(w, w->schedule.senders[f->sender].n_sent <= MAX_INFLIGHT);
}

// --- senders, time, commits ---

static void bury_sender(struct world *w, unsigned sender)
{
    for (size_t i = 0; i < w->schedule.n_slots; i++) {
        struct in_flight *a = &w->schedule.slots[i];

        if (a->delivery != NULL && a->sender == sender)
            end_attempt(w, a, ENDS_LOST);
    }
    w->is_dying[sender] = false;
}

static void act_on_sender(struct world *w)
{
    struct schedule_event e = { .kind = SCHEDULE_SENDER_DOWN,
                                .sender = (unsigned)roll(w, N_SENDERS) };

    if (w->is_dying[e.sender]) {
        bury_sender(w, e.sender);
        e.kind = SCHEDULE_SENDER_UP;
    } else {
        w->is_dying[e.sender] = true;
    }
    tell_quietly(w, &e);
}

static void tick(struct world *w)
{
    const struct schedule_event e = { .kind = SCHEDULE_TICK };
    struct effects out;

    tell(w, &e, &out);
    perform(w, &out);
}

static void pass_time(struct world *w, int64_t us)
{
    pass(w, us);
    tick(w);
}

static void act_on_time(struct world *w)
{
    static const int64_t most_us[] = { 2000,   2000,   20000,  20000,
                                       200000, 600000, 3000000 };

    pass_time(w, (int64_t)roll(w, (uint64_t)most_us[roll(w, 7)]));
    if (one_in(w, 200)) // the wall clock is set ahead
        w->ahead_ms += (int64_t)roll(w, 100000);
}

static void act_on_commit(struct world *w)
{
    if (w->is_committing) {
        end_commit(w, !one_in(w, 15));
    } else if (w->is_failing) {
        w->is_committing = true; // the same batch once more
    } else {
        begin_commit(w);
    }
}

void act(struct world *w)
{
    uint64_t what = roll(w, 100);

    if (what < 35) {
        give_turns(w, one_in(w, 3) ? EFFECTS_MAX : 1);
    } else if (what < 55) {
        arrive(w);
    } else if (what < 76) {
        end_some_attempt(w);
    } else if (what < 84) {
        act_on_time(w);
    } else if (what < 92) {
        act_on_commit(w);
    } else if (what < 95) {
        act_on_hook(w);
    } else if (what < 96) {
        act_on_sender(w);
    } else if (what < 98) {
        ask_for_attempt(w);
    } else {
        replay_one(w);
    }
    while (w->first_open <= w->last_position &&
           w->facts[w->first_open].is_done &&
           w->facts[w->first_open].dv == NULL)
        w->first_open++;
}

// --- the end ---

static void calm(struct world *w)
{
    for (unsigned i = 0; i < N_SENDERS; i++) {
        if (w->is_dying[i]) {
            const struct schedule_event e = { .kind = SCHEDULE_SENDER_UP,
                                              .sender = i };

            bury_sender(w, i);
            tell_quietly(w, &e);
        }
    }
    for (size_t i = 0; i < N_HOOKS; i++) {
        struct sim_hook *h = &w->hooks[i];
        struct schedule_event e = { .kind = SCHEDULE_HOOK_HELD, .hook = h->f };

        if (h->id == 0)
            continue;
        tell_quietly(w, &e);
        change_hook(w, h, true);
    }
}

static bool finish_some(struct world *w)
{
    struct in_flight *a;
    uint32_t n_sent;

    if (w->is_committing) {
        end_commit(w, true);
    } else if (w->is_failing) {
        w->is_committing = true;
        end_commit(w, true);
    } else {
        begin_commit(w);
    }
    give_turns(w, EFFECTS_MAX);
    n_sent = w->schedule.n_sent;
    while ((a = any_in_flight(w)) != NULL)
        end_attempt(w, a, ENDS_WELL);
    return n_sent > 0;
}

static bool is_over(const struct world *w)
{
    for (const struct hook_state *f = hook_next(&w->schedule, NULL); f != NULL;
         f = hook_next(&w->schedule, f)) {
        if (!hook_is_idle(f))
            return false;
    }
    return w->n_open == 0 && w->schedule.open.n == 0;
}

void finish_all(struct world *w)
{
    int64_t until_us;

    calm(w);
    for (size_t i = 0; i < 50 * (size_t)OPEN_MAX; i++) {
        if (finish_some(w)) {
            check_all(w);
            continue;
        }
        if (is_over(w))
            break;
        until_us = schedule_next_us(&w->schedule);
        pass_time(w, until_us > w->now.mono_us ? until_us - w->now.mono_us : 0);
        check_all(w);
    }
    // Whatever happened, each delivery came to its end, and nothing is left.
    REQUIRE(w, w->n_open == 0);
    REQUIRE(w, w->schedule.open.n == 0);
    REQUIRE(w, is_over(w));
    for (const struct hook_state *f = hook_next(&w->schedule, NULL); f != NULL;
         f = hook_next(&w->schedule, f))
        REQUIRE(w, sim_of(w, f->no) != NULL);
}
