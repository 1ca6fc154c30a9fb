// SPDX-License-Identifier: MIT
// world.c — a world around the scheduling core, made of one seed.

#include "tests/simulation/world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/codec.h"
#include "engine/dispatcher/schedule/schedule.h"
#include "engine/dispatcher/schedule/step.h"

_Noreturn void world_fail(const struct world *w, const char *what,
                          const char *file, int line)
{
    fprintf(stderr,
            "%s:%d: step %" PRIu64 ": not so: %s\n"
            "again with: simulation --seed %" PRIu64 " --episodes 1\n",
            file, line, w->n_steps, what, w->seed);
    abort();
}

// SplitMix64: any seed is a good one.
uint64_t roll(struct world *w, uint64_t n)
{
    uint64_t x = w->random += UINT64_C(0x9e3779b97f4a7c15);

    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (x ^ (x >> 31)) % n;
}

bool one_in(struct world *w, uint64_t n)
{
    return roll(w, n) == 0;
}

void pass(struct world *w, int64_t us)
{
    w->now.mono_us += us;
    w->now.due_ms = w->ahead_ms + w->now.mono_us / 1000;
}

void tell(struct world *w, const struct schedule_event *e, struct effects *out)
{
    struct before before;

    pass(w, (int64_t)roll(w, 100));
    check_note(w, e, &before);
    schedule_step(&w->schedule, e, &w->now, out);
    if (e->kind == SCHEDULE_ENDED)
        check_freed(w, &before);
    rules_after(w, e, &before, out);
}

void tell_quietly(struct world *w, const struct schedule_event *e)
{
    struct effects out;

    tell(w, e, &out);
    REQUIRE(w, out.n == 0);
}

uint64_t position_of(const struct delivery *dv)
{
    return get_be64(dv->position.bytes);
}

struct fact *fact_of(struct world *w, const struct delivery *dv)
{
    return &w->facts[position_of(dv)];
}

struct sim_hook *sim_of(struct world *w, uint64_t hook_id)
{
    for (size_t i = 0; i < N_HOOKS; i++) {
        if (w->hooks[i].id == hook_id)
            return &w->hooks[i];
    }
    return NULL;
}

uint64_t next_commit(const struct world *w)
{
    return w->schedule.n_commits + 1 + (w->is_committing || w->is_failing);
}

void world_init(struct world *w, uint64_t seed)
{
    const struct schedule_limits limits = {
        .n_senders = N_SENDERS,
        .first_sender = (unsigned)seed,
        .busy_attempts = 2,
        .max_inflight = MAX_INFLIGHT,
        .max_inflight_slow = MAX_SLOW,
        .max_inflight_per_endpoint = MAX_ENDPOINT,
        .max_on_demand = MAX_ON_DEMAND,
        .max_ordered = MAX_ORDERED,
        .hash_seed = seed,
    };
    struct schedule_event e = { .kind = SCHEDULE_COMMITTED, .commit = 1 };

    memset(w, 0, sizeof(*w));
    w->seed = seed;
    w->random = seed;
    w->ahead_ms = INT64_C(1700000000000);
    pass(w, 5000000);
    w->first_open = 1;
    w->next_hook_id = 1;
    w->has_suspects = one_in(w, 4);
    schedule_init(&w->schedule, &limits);
    tell_quietly(w, &e);
    e.kind = SCHEDULE_SENDER_UP;
    for (e.sender = 0; e.sender < N_SENDERS; e.sender++)
        tell_quietly(w, &e);
}

void world_free(struct world *w)
{
    schedule_free(&w->schedule);
}
