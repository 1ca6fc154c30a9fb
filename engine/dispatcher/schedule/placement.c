// SPDX-License-Identifier: MIT
// placement.c — which senders an endpoint's attempts go through.
//
// Work is counted in attempts: what a sender spends on one hardly depends on the
// receiver, and attempts that wait for a slow receiver cost it nothing.

#include "engine/dispatcher/schedule/placement.h"

#include <assert.h>

#include "engine/dispatcher/schedule/schedule.h"

// Looks, of a quarter of a second each, for which the senders must be uneven before an
// endpoint moves: it leaves its connections behind.
#define UNEVEN_LOOKS 4
#define CALM_LOOKS   40

static uint32_t bit(unsigned sender)
{
    return UINT32_C(1) << sender;
}

static unsigned n_senders_of(const struct placement *p)
{
    return (unsigned)__builtin_popcount(p->senders);
}

// Work of a sender: an endpoint that is not busy counts a little, so that new ones are
// spread before anything is sent.
static uint64_t work_of(const struct sender *sender)
{
    return sender->work + sender->n_endpoints;
}

static void add_sender(struct schedule *s, struct placement *p, unsigned sender)
{
    p->senders |= bit(sender);
    s->senders[sender].n_endpoints++;
}

// A sender that is down does nothing, which is no reason to give it more.
static bool is_idler(const struct sender *a, const struct sender *b)
{
    return a->is_up != b->is_up ? a->is_up : work_of(a) < work_of(b);
}

static unsigned idlest(const struct schedule *s)
{
    unsigned best = s->limits.first_sender % s->limits.n_senders;

    for (unsigned i = 1; i < s->limits.n_senders; i++) {
        unsigned other = (s->limits.first_sender + i) % s->limits.n_senders;

        if (is_idler(&s->senders[other], &s->senders[best]))
            best = other;
    }
    return best;
}

void placement_begin(struct schedule *s, struct placement *p)
{
    add_sender(s, p, idlest(s));
}

void placement_end(struct schedule *s, const struct placement *p)
{
    for (unsigned i = 0; i < s->limits.n_senders; i++)
        s->senders[i].n_endpoints -= (p->senders & bit(i)) != 0;
}

unsigned placement_sender(const struct schedule *s, const struct placement *p)
{
    unsigned best = (unsigned)__builtin_ctz(p->senders);

    if (p->senders == bit(best))
        return best;
    for (unsigned i = best + 1; i < s->limits.n_senders; i++) {
        const struct sender *sender = &s->senders[i];

        if ((p->senders & bit(i)) != 0 && sender->is_up &&
            (!s->senders[best].is_up ||
             sender->n_sent < s->senders[best].n_sent))
            best = i;
    }
    return best;
}

// --- looks ---

void placement_look_begin(struct schedule *s)
{
    for (unsigned i = 0; i < s->limits.n_senders; i++)
        s->senders[i].work = 0;
}

// Whether an endpoint that leaves several senders should rather stay with `a`.
static bool is_freer(const struct sender *a, const struct sender *b)
{
    return a->is_up != b->is_up ? a->is_up : a->n_endpoints < b->n_endpoints;
}

// One of several senders is enough again: of those that are up, the one with the fewest
// endpoints.
static void narrow(struct schedule *s, struct placement *p)
{
    unsigned keep = (unsigned)__builtin_ctz(p->senders);

    for (unsigned i = keep + 1; i < s->limits.n_senders; i++) {
        if ((p->senders & bit(i)) != 0 &&
            is_freer(&s->senders[i], &s->senders[keep]))
            keep = i;
    }
    placement_end(s, p);
    p->senders = 0;
    add_sender(s, p, keep);
}

void placement_count(struct schedule *s, struct placement *p)
{
    p->rate = p->n_begun;
    p->n_begun = 0;
    p->n_calm = p->rate < s->limits.busy_attempts ? p->n_calm + 1 : 0;
    if (p->n_calm >= CALM_LOOKS && n_senders_of(p) > 1)
        narrow(s, p);
    for (unsigned i = 0; i < s->limits.n_senders; i++) {
        if ((p->senders & bit(i)) != 0)
            s->senders[i].work += p->rate / n_senders_of(p);
    }
}

struct placement_move placement_want(struct schedule *s)
{
    struct placement_move move = { 0 };
    const struct sender *senders = s->senders;
    uint64_t difference;
    uint64_t all = 0;

    for (unsigned i = 0; i < s->limits.n_senders; i++) {
        all += senders[i].work;
        if (senders[i].work > senders[move.from].work)
            move.from = i;
        if (senders[i].is_up && (!senders[move.to].is_up ||
                                 senders[i].work < senders[move.to].work))
            move.to = i;
    }
    difference = senders[move.from].work - senders[move.to].work;
    // Even enough: half of what each would have.
    if (difference < s->limits.busy_attempts || !senders[move.to].is_up ||
        difference * s->limits.n_senders * 2 <= all) {
        s->n_uneven_looks = 0;
        return move;
    }
    move.wanted = difference / 2;
    move.is_wanted = ++s->n_uneven_looks >= UNEVEN_LOOKS;
    return move;
}

void placement_consider(struct schedule *s, struct placement_move *move,
                        struct placement *p)
{
    if ((p->senders & bit(move->from)) == 0 ||
        (p->senders & bit(move->to)) != 0 || p->rate == 0)
        return;
    if (p->senders == bit(move->from) &&
        move->moved + p->rate <= move->wanted) {
        placement_end(s, p);
        p->senders = 0;
        add_sender(s, p, move->to);
        move->moved += p->rate;
    } else if (move->busiest == NULL || p->rate > move->busiest->rate) {
        move->busiest = p;
    }
}

void placement_look_end(struct schedule *s, const struct placement_move *move)
{
    s->n_uneven_looks = 0;
    if (move->moved < move->wanted / 4 && move->busiest != NULL)
        add_sender(s, move->busiest, move->to);
}
