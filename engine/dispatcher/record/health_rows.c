// SPDX-License-Identifier: MIT
// health_rows.c — the health of hooks, which outlives restarts: notes which has
// changed, and writes it with the next commit.

#include "engine/dispatcher/record/health_rows.h"

#include "common/base/clock.h"
#include "engine/dispatcher/loop/dispatcher.h"
#include "engine/dispatcher/loop/due_clock.h"
#include "engine/dispatcher/record/commit.h"
#include "engine/dispatcher/record/hooks.h"
#include "engine/dispatcher/schedule/hook_state.h"
#include "engine/dispatcher/schedule/schedule.h"
#include "queue/queue.h"

int64_t health_ran_ms(const struct dispatcher *d)
{
    int64_t ran_ms = due_clock_ran_ms(&d->due_clock, clock_mono_us());

    return ran_ms > 0 ? ran_ms : 1;
}

void health_keep(struct dispatcher *d, const struct hook_state *f)
{
    batch_health(d->open_batch, hook_state_id(f), &hook_notes(f)->health);
    commit_schedule(d);
}

void health_changed(struct dispatcher *d, struct hook_state *f)
{
    if (hook_notes(f)->is_health_changed)
        return;
    hook_notes(f)->is_health_changed = true;
    hook_notes(f)->next_changed = d->health_rows->changed;
    d->health_rows->changed = f;
}

void health_rows_add(struct dispatcher *d)
{
    while (d->health_rows->changed != NULL) {
        struct hook_state *f = d->health_rows->changed;

        d->health_rows->changed = hook_notes(f)->next_changed;
        hook_notes(f)->is_health_changed = false;
        batch_health(d->open_batch, hook_state_id(f), &hook_notes(f)->health);
        hook_forget_if_done(f);
    }
}
