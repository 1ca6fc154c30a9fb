// SPDX-License-Identifier: MIT
// check.c — what must hold after each step, whatever happened.
//
//   books      each delivery is in one place, and all counts agree with a recount
//   shares     no sender, hook or receiver has more than its limits admit
//   order      an ordered hook's deliveries of one key go one after the other
//   turns      a hook that is ready is not passed over
//   places     a hook with work is in a queue, or something will bring it back
//   rows       what is not in memory has a row, and the hook knows of it
//   alone      a suspect is in flight alone

#include <string.h>

#include "common/base/codec.h"
#include "engine/delivery/throttle.h"
#include "engine/dispatcher/schedule/alone.h"
#include "engine/dispatcher/schedule/endpoint.h"
#include "engine/dispatcher/schedule/hook_schedule.h"
#include "engine/dispatcher/schedule/hook_state.h"
#include "engine/dispatcher/schedule/hook_table.h"
#include "engine/dispatcher/schedule/placement.h"
#include "engine/dispatcher/schedule/schedule.h"
#include "tests/simulation/world.h"

// --- capacity that was freed ---

static void note_hook(const struct schedule_event *e, struct before *before)
{
    const struct hook_state *f = e->hook;

    if (e->attempt != NULL) {
        before->delivery = e->attempt->delivery;
        f = before->delivery->hook;
    }
    if (f == NULL)
        return;
    before->tokens = f->throttle.tokens;
    before->breaker = f->throttle.breaker;
    before->breaker_wait_us = f->throttle.breaker_wait_us;
    before->was_paused = hook_is_paused(f);
}

void check_note(const struct world *w, const struct schedule_event *e,
                struct before *before)
{
    before->was_closed = w->schedule.alone.is_closed;
    note_hook(e, before);
    for (size_t i = 0; i < N_HOOKS; i++) {
        const struct hook_state *f = w->hooks[i].f;

        before->places[i] = f != NULL ? f->place : HOOK_RESTS;
        before->are_admitted[i] = f != NULL && f->endpoint != NULL &&
                                  endpoint_admits(&w->schedule, f);
    }
    for (size_t i = 0; i < N_SENDERS; i++) {
        const struct sender *sender = &w->schedule.senders[i];

        before->n_unresponsive[i] = sender->n_unresponsive;
        before->n_endpoints[i] = sender->n_endpoints;
        before->first_unresponsive[i] = sender->unresponsive.first;
    }
}

bool waits_at_endpoint(const struct world *w, const struct hook_state *f)
{
    return f->place == HOOK_IN_WAIT_QUEUE &&
           f->room != &w->schedule.cancelling &&
           f->room != &w->schedule.senders[f->sender].unresponsive &&
           f->room != &w->schedule.senders[f->sender].over_share;
}

// An attempt has ended. If that freed what a hook waits for, a hook woke.
void check_freed(struct world *w, const struct before *before)
{
    bool has_woken = false;

    for (size_t i = 0; i < N_HOOKS; i++) {
        const struct sim_hook *h = &w->hooks[i];

        has_woken = has_woken ||
                    (h->id != 0 && before->places[i] == HOOK_IN_WAIT_QUEUE &&
                     h->f->place != HOOK_IN_WAIT_QUEUE);
    }
    for (size_t i = 0; i < N_SENDERS; i++) {
        const struct sender *sender = &w->schedule.senders[i];

        if (sender->n_unresponsive < before->n_unresponsive[i] &&
            sender->n_unresponsive < MAX_INFLIGHT / 2) {
            REQUIRE(w, sender->unresponsive.first == NULL ||
                           sender->unresponsive.first !=
                               before->first_unresponsive[i]);
        }
    }
    for (size_t i = 0; i < N_HOOKS && !has_woken; i++) {
        const struct sim_hook *h = &w->hooks[i];

        if (h->id == 0 || !waits_at_endpoint(w, h->f) || h->f->hook == NULL)
            continue;
        REQUIRE(w, before->places[i] != HOOK_IN_WAIT_QUEUE ||
                       before->are_admitted[i] ||
                       !endpoint_admits(&w->schedule, h->f));
    }
}

// --- an attempt of a turn ---

static void check_rate(struct world *w, struct sim_hook *h)
{
    const struct throttle_limits *l = &h->f->limits;
    double full = full_bucket(l);

    if (l->rate_per_minute == 0)
        return;
    if (h->tokens_at_us == 0) {
        h->tokens = full;
    } else {
        h->tokens += (double)(w->schedule.now_us - h->tokens_at_us) *
                     l->rate_per_minute / 60e6;
        h->tokens = h->tokens < full ? h->tokens : full;
    }
    h->tokens_at_us = w->schedule.now_us;
    h->tokens -= 1;
    // The world may have begun to count in the middle of the core's count.
    REQUIRE(w, h->tokens > -1.01 - full);
}

static void check_order(struct world *w, const struct sim_hook *h,
                        const struct in_flight *a)
{
    uint64_t position = position_of(a->delivery);

    REQUIRE(w, a->delivery->not_before_ms <= w->schedule.now_ms);
    for (uint64_t i = w->first_open; i < position; i++) {
        const struct fact *fact = &w->facts[i];

        if (fact->hook_id != h->id || i <= h->ordered_since ||
            fact->ordering_key != a->delivery->ordering_key)
            continue;
        REQUIRE(w, fact->is_done || fact->was_asked_for);
    }
}

static void check_turns(struct world *w, const struct in_flight *a)
{
    w->n_sends++;
    for (size_t i = 0; i < N_HOOKS; i++) {
        struct sim_hook *h = &w->hooks[i];

        if (h->id == 0)
            continue;
        if (h->f->place != HOOK_IN_RING || h->f == a->delivery->hook) {
            h->n_ring = 0;
        } else if (h->f->sender == a->sender) {
            REQUIRE(w, ++h->n_ring <= 2 * (uint64_t)N_HOOKS);
        }
    }
}

static void check_shares(struct world *w, const struct in_flight *a)
{
    const struct sender *sender = &w->schedule.senders[a->sender];
    const struct hook_state *f = a->delivery->hook;
    // Hooks that are in the ring have less than their share, or have not been looked
    // at. Those over their share go when the ring is empty.
    bool others_wait = sender->ring.first != NULL &&
                       (sender->ring.first != &f->turn || f->turn.next != NULL);

    REQUIRE(w, sender->n_sent <= MAX_INFLIGHT);
    REQUIRE(w,
            !a->is_unresponsive || sender->n_unresponsive <= MAX_INFLIGHT / 2);
    REQUIRE(w, !others_wait || f->n_sent <= MAX_INFLIGHT / 4);
    REQUIRE(w, f->n_sent <= throttle_window(&f->throttle, &f->limits));
    REQUIRE(w, f->throttle.breaker != BREAKER_OPEN);
    REQUIRE(w, f->throttle.breaker == BREAKER_CLOSED || f->n_sent == 1);
    REQUIRE(w, throttle_not_before_us(&f->throttle) <= w->schedule.now_us);
}

static void check_receiver(struct world *w, const struct in_flight *a)
{
    uint32_t n = 0, n_unresponsive = 0;

    for (size_t i = 0; i < w->schedule.n_slots; i++) {
        const struct in_flight *other = &w->schedule.slots[i];

        if (other->delivery == NULL || other->is_slow ||
            other->endpoint != a->endpoint ||
            fact_of(w, other->delivery)->was_asked_for)
            continue;
        n++;
        n_unresponsive += other->is_unresponsive;
    }
    REQUIRE(w, n <= MAX_ENDPOINT);
    REQUIRE(w, !a->is_unresponsive || n_unresponsive <= (MAX_ENDPOINT + 1) / 2);
}

// `is_single`: it is the only effect of its step, so the state is the one in which it
// was chosen.
void check_send(struct world *w, const struct in_flight *a, bool is_single)
{
    const struct delivery *dv = a->delivery;
    struct hook_state *f = dv->hook;
    struct sim_hook *h = sim_of(w, f->no);

    REQUIRE(w, h != NULL && hook_is_active(f) && !hook_is_paused(f));
    REQUIRE(w, !f->is_held && !f->is_aside);
    REQUIRE(w, w->schedule.senders[a->sender].is_up);
    REQUIRE(w,
            dv->place == DELIVERY_SENT && dv->notes.prior_state == PRIOR_NONE);
    REQUIRE(w, !fact_of(w, dv)->is_done);
    REQUIRE(w, dv->n_deaths < DEATHS_ASIDE);
    REQUIRE(w, (dv->n_deaths >= DEATHS_ALONE) == (w->alone == a));
    REQUIRE(w, w->alone == NULL || w->schedule.n_sent == 1);
    if (hook_is_ordered(f)) {
        check_order(w, h, a);
    } else {
        REQUIRE(w, !dv->is_listed);
    }
    check_rate(w, h);
    check_receiver(w, a);
    REQUIRE(w, h->wait_until_us <= w->schedule.now_us);
    rules_of_send(w, a);
    if (is_single) {
        check_shares(w, a);
        check_turns(w, a);
    }
}

// --- after each step ---

struct count {
    uint32_t n_waiting, n_listed_sent, n_in_flight, n_in_hand, n_settled;
};

static struct count count_hook(struct world *w, const struct hook_state *f)
{
    struct count c = { 0 };
    const struct delivery *before = NULL;

    for (const struct delivery *dv = f->first; dv != NULL; dv = dv->next) {
        REQUIRE(w, dv->is_listed && dv->hook == f && dv->prev == before);
        REQUIRE(w, fact_of(w, dv)->dv == dv);
        c.n_waiting += dv->place == DELIVERY_WAITING;
        c.n_listed_sent += dv->place == DELIVERY_SENT;
        before = dv;
    }
    REQUIRE(w, f->last == before);
    for (size_t i = 0; i < w->schedule.n_slots; i++) {
        const struct delivery *dv = w->schedule.slots[i].delivery;

        if (dv == NULL || dv->hook != f)
            continue;
        REQUIRE(w, dv->place == DELIVERY_SENT);
        c.n_in_flight++;
    }
    return c;
}

static unsigned n_places(const struct world *w, const struct hook_state *f)
{
    unsigned n = 0;

    for (unsigned i = 0; i < N_SENDERS; i++) {
        const struct sender *sender = &w->schedule.senders[i];

        for (const struct list_node *at = sender->ring.first; at != NULL;
             at = at->next)
            n += at == &f->turn && f->sender == i && f->place == HOOK_IN_RING;
    }
    if (f->room != NULL) {
        for (const struct list_node *at = f->room->first; at != NULL;
             at = at->next)
            n += at == &f->turn && f->place == HOOK_IN_WAIT_QUEUE;
    }
    return n;
}

static bool is_set(const struct world *w, const struct hook_alarm *a)
{
    return a->i > 0 && w->schedule.alarms[a->i] == a;
}

// A hook with work that rests is brought back by something.
static void check_rest(struct world *w, const struct hook_state *f,
                       const struct count *c)
{
    bool has_work = c->n_waiting > 0 || due_rows_may_load(&w->schedule, f);
    bool may_work = !f->is_aside &&
                    !(hook_is_active(f) && (hook_is_paused(f) || f->is_held));

    if (f->place != HOOK_RESTS || !has_work || !may_work || f->is_loading)
        return;
    REQUIRE(w, c->n_in_flight > 0 || is_set(w, &f->pause_over));
    REQUIRE(w, hook_is_active(f) || c->n_waiting == 0);
}

static void check_hook(struct world *w, const struct hook_state *f)
{
    struct count c = count_hook(w, f);

    REQUIRE(w, f->n_sent == c.n_in_flight);
    REQUIRE(w, hook_is_ordered(f) || f->n_open > 0 || f->first == NULL);
    REQUIRE(w, n_places(w, f) == (f->place != HOOK_RESTS));
    REQUIRE(w, (f->room != NULL) == (f->place == HOOK_IN_WAIT_QUEUE));
    REQUIRE(w, !f->is_loading);
    // Who has less than a share waits for no others; a deleted hook is forgotten.
    REQUIRE(w, f->room != &w->schedule.senders[f->sender].over_share ||
                   f->n_sent >= MAX_INFLIGHT / 4);
    REQUIRE(w, f->hook != NULL || f->is_aside || !hook_is_idle(f));
    check_rest(w, f, &c);
    // Rows that are due later have their alarm.
    if (f->has_rows && !f->has_due_rows)
        REQUIRE(w, is_set(w, &f->rows_due));
}

struct placements {
    const struct placement *at[N_URLS];
    size_t n;
};

static void see_placement(struct world *w, struct placements *seen,
                          const struct placement *p)
{
    for (size_t i = 0; i < seen->n; i++) {
        if (seen->at[i] == p)
            return;
    }
    REQUIRE(w, seen->n < N_URLS);
    seen->at[seen->n++] = p;
}

// Each receiver has a sender at least, and the senders know how many they have.
static void check_placements(struct world *w)
{
    struct placements seen = { .n = 0 };

    for (struct hook_state *f = hook_next(&w->schedule, NULL); f != NULL;
         f = hook_next(&w->schedule, f)) {
        REQUIRE(w, (f->placement != NULL) == (f->hook != NULL));
        if (f->placement != NULL)
            see_placement(w, &seen, f->placement);
    }
    for (size_t i = 0; i < w->schedule.n_slots; i++) {
        const struct in_flight *a = &w->schedule.slots[i];

        if (a->delivery != NULL)
            see_placement(w, &seen, endpoint_placement(a->endpoint));
    }
    for (unsigned k = 0; k < N_SENDERS; k++) {
        uint32_t n = 0;

        for (size_t i = 0; i < seen.n; i++) {
            REQUIRE(w, seen.at[i]->senders != 0 &&
                           seen.at[i]->senders >> N_SENDERS == 0);
            n += seen.at[i]->senders >> k & 1;
        }
        REQUIRE(w, w->schedule.senders[k].n_endpoints == n);
    }
}

static void check_senders(struct world *w)
{
    uint32_t n_all = 0;

    for (unsigned k = 0; k < N_SENDERS; k++) {
        const struct sender *sender = &w->schedule.senders[k];
        uint32_t n = 0, n_slow = 0, n_unresponsive = 0;

        for (size_t i = 0; i < w->schedule.n_slots; i++) {
            const struct in_flight *a = &w->schedule.slots[i];
            bool is_here = a->delivery != NULL && a->sender == k;

            n += is_here && !a->is_slow;
            n_slow += is_here && a->is_slow;
            n_unresponsive += is_here && a->is_unresponsive;
        }
        REQUIRE(w, sender->n_sent == n && sender->n_slow == n_slow);
        REQUIRE(w, sender->n_unresponsive == n_unresponsive);
        REQUIRE(w, n_slow <= MAX_SLOW);
        n_all += n + n_slow;
    }
    REQUIRE(w, w->schedule.n_sent == n_all);
    REQUIRE(w, w->alone == NULL || n_all == 1);
}

// Each delivery that is not done is in memory, or has a row that its hook knows of.
static void check_facts(struct world *w)
{
    size_t n_memory = 0, n_open = 0, n_from_log = 0, n_loaded = 0;

    for (uint64_t i = w->first_open; i <= w->last_position; i++) {
        const struct fact *fact = &w->facts[i];
        const struct hook_state *f;

        n_open += !fact->is_done;
        if (fact->dv != NULL) {
            bool waits = fact->dv->place == DELIVERY_WAITING;

            REQUIRE(w, position_of(fact->dv) == i);
            REQUIRE(w, fact->dv->place != DELIVERY_IN_HAND);
            n_memory++;
            n_from_log += waits && fact->dv->is_from_log;
            n_loaded += waits && !fact->dv->is_from_log;
        }
        if (fact->is_done || fact->dv != NULL)
            continue;
        REQUIRE(w, fact->has_row);
        if (fact->wakes) // its commit will tell the hook
            continue;
        f = hook_find(&w->schedule, fact->hook_id);
        REQUIRE(w, f != NULL && f->has_rows);
    }
    REQUIRE(w, n_open == w->n_open);
    REQUIRE(w, n_memory == w->schedule.open.n);
    REQUIRE(w, n_from_log == w->schedule.n_from_log);
    REQUIRE(w, n_loaded == w->schedule.n_loaded);
}

static void check_alarms(struct world *w)
{
    const struct schedule *s = &w->schedule;

    for (size_t i = 1; i <= s->n_alarms; i++) {
        REQUIRE(w, s->alarms[i]->i == i);
        REQUIRE(w, i == 1 || s->alarms[i / 2]->at_us <= s->alarms[i]->at_us);
    }
}

void check_all(struct world *w)
{
    for (struct hook_state *f = hook_next(&w->schedule, NULL); f != NULL;
         f = hook_next(&w->schedule, f)) {
        check_hook(w, f);
        rules_of_hook(w, f);
    }
    check_senders(w);
    check_placements(w);
    check_facts(w);
    check_alarms(w);
}
