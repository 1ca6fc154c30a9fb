// SPDX-License-Identifier: MIT
// alone.c — deliveries and events that dispatchers died with are tried alone.

#include "engine/dispatcher/schedule/alone.h"

#include "engine/dispatcher/schedule/schedule.h"

// A reader or replay that takes longer to ask for its suspect is not waited for.
#define CLOSED_MAX_US INT64_C(1000000)

// Whether the reason for blocking is over, although alone_end() has not run yet.
static bool is_over(const struct schedule *s, int64_t now_us)
{
    const struct alone *a = &s->alone;

    return s->n_sent == 0 &&
           (a->is_alone || (a->hook_id == 0 && now_us >= a->until_us));
}

bool alone_blocks(const struct schedule *s, int64_t now_us)
{
    return s->alone.is_closed && !is_over(s, now_us);
}

static void let_in(struct schedule *s)
{
    s->alone.is_closed = true;
    s->alone.is_alone = true;
}

// Blocks sending until what is in flight has ended; then it is the turn of this hook,
// or, if 0, of the reader or replay that asks.
static void close_for(struct schedule *s, uint64_t hook_id, int64_t now_us)
{
    s->alone = (struct alone){ .is_closed = true,
                               .hook_id = hook_id,
                               .until_us = now_us + CLOSED_MAX_US };
}

uint64_t alone_end(struct schedule *s, int64_t now_us)
{
    struct alone *a = &s->alone;
    uint64_t hook_id;

    if (!a->is_closed || s->n_sent > 0)
        return 0;
    if (!a->is_alone && a->hook_id == 0 && now_us < a->until_us)
        return 0; // the reader or replay will ask
    hook_id = a->is_alone ? 0 : a->hook_id;
    a->is_closed = false;
    a->is_alone = false;
    a->hook_id = 0;
    return hook_id;
}

enum admission alone_admits(struct schedule *s, const struct delivery *dv)
{
    if (dv->n_deaths < DEATHS_ALONE)
        return ADMIT_SEND;
    if (dv->n_deaths > DEATHS_ASIDE)
        return ADMIT_CANCEL;
    if (dv->n_deaths == DEATHS_ASIDE)
        return ADMIT_ASIDE;
    if (s->n_sent == 0) {
        let_in(s);
        return ADMIT_ALONE;
    }
    close_for(s, dv->hook->no, s->now_us);
    return ADMIT_LATER;
}

enum admission alone_admits_replay(struct schedule *s, uint32_t n_deaths,
                                   int64_t now_us)
{
    if (n_deaths < DEATHS_ALONE)
        return s->alone.is_closed ? ADMIT_LATER : ADMIT_SEND;
    if (n_deaths >= DEATHS_ASIDE)
        return ADMIT_ASIDE;
    if (s->n_sent == 0) {
        let_in(s);
        return ADMIT_ALONE;
    }
    if (!s->alone.is_closed)
        close_for(s, 0, now_us);
    return ADMIT_LATER;
}

bool alone_admits_event(struct schedule *s, uint32_t n_deaths, int64_t now_us)
{
    if (n_deaths < DEATHS_ALONE)
        return true;
    if (s->n_sent == 0) { // it is matched at once, so nothing else need wait
        if (!s->alone.is_alone && s->alone.hook_id == 0)
            s->alone.is_closed = false;
        return true;
    }
    if (!s->alone.is_closed)
        close_for(s, 0, now_us);
    return false;
}
