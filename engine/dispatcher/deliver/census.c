// SPDX-License-Identifier: MIT
// census.c — how many hooks are in which state, and the oldest delivery that is due: for
// the metrics.
//
// Happy path: once a second, all hooks are looked at in slices of SLICE places of the
// table, four a second; at the end of the walk, the gauges are set. With up to 4,096
// hooks the gauges are as old as a second, with 100,000 hooks as old as ten.
//
// If the table grows meanwhile, the walk begins anew, and the gauges keep their values.

#include "engine/dispatcher/deliver/census.h"

#include <stdint.h>
#include <uv.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/model/hook.h"
#include "common/process/metrics.h"
#include "common/process/role.h"
#include "engine/delivery/throttle.h"
#include "engine/dispatcher/record/hook_health.h"
#include "engine/dispatcher/schedule/hook_state.h"
#include "engine/dispatcher/schedule/hook_table.h"

#define SLICE    4096
#define PAUSE_MS 250

#define HOOK_STATES (GAUGE_HOOKS_ASIDE - GAUGE_HOOKS_ACTIVE + 1)

struct census {
    uv_timer_t timer;
    bool is_running;
    struct hook_walk walk;
    int64_t now_us;
    int64_t oldest_ms;     // by the clock of due times; INT64_MAX: none so far
    size_t n[HOOK_STATES]; // by gauge, from GAUGE_HOOKS_ACTIVE on
};

static enum gauge state_of(const struct hook_state *f)
{
    if (hook_is_aside(f))
        return GAUGE_HOOKS_ASIDE;
    if (!hook_is_active(f)) {
        return hook_record(f)->disabled != HOOK_NOT_DISABLED
                   ? GAUGE_HOOKS_DISABLED
                   : GAUGE_HOOKS_INACTIVE;
    }
    if (hook_is_paused(f))
        return GAUGE_HOOKS_PAUSED;
    if (hook_throttle(f)->breaker != BREAKER_CLOSED)
        return GAUGE_HOOKS_BREAKER_OPEN;
    return health_of(f)->cause != FAILING_NOT ? GAUGE_HOOKS_FAILING
                                              : GAUGE_HOOKS_ACTIVE;
}

static bool may_send(enum gauge state)
{
    return state == GAUGE_HOOKS_ACTIVE || state == GAUGE_HOOKS_FAILING;
}

static void visit(void *data, const struct hook_state *f)
{
    struct dispatcher *d = data;
    struct census *c = d->census;
    enum gauge state;
    int64_t since_ms;

    if (hook_record(f) == NULL && !hook_is_aside(f))
        return; // deleted
    state = state_of(f);
    c->n[state - GAUGE_HOOKS_ACTIVE]++;
    if (!may_send(state) || health_is_disabling(f))
        return;
    since_ms = hook_due_since_ms(&d->schedule, f, c->now_us);
    if (since_ms < c->oldest_ms)
        c->oldest_ms = since_ms;
}

static void publish(struct dispatcher *d)
{
    const struct census *c = d->census;

    for (unsigned i = 0; i < HOOK_STATES; i++)
        metrics_gauge(GAUGE_HOOKS_ACTIVE + i, (int64_t)c->n[i]);
    metrics_gauge(GAUGE_OLDEST_DUE,
                  c->oldest_ms < INT64_MAX
                      ? due_clock_wall_ms(&d->due_clock, c->oldest_ms)
                      : 0);
}

static void go_on(struct dispatcher *d);

static void on_timer(uv_timer_t *timer)
{
    go_on(timer->data);
}

static void go_on(struct dispatcher *d)
{
    struct census *c = d->census;

    c->now_us = clock_mono_us();
    switch (hook_walk(&d->schedule, &c->walk, SLICE, visit, d)) {
    case WALK_GOES_ON:
        uv_timer_start(&c->timer, on_timer, PAUSE_MS, 0);
        return;
    case WALK_ENDED:
        publish(d);
        break;
    case WALK_IN_VAIN:
        break;
    }
    c->is_running = false;
}

void census_init(struct dispatcher *d)
{
    d->census = xcalloc(1, sizeof(*d->census));
    uv_timer_init(role_loop(d->role), &d->census->timer);
    d->census->timer.data = d;
}

void census_on_second(struct dispatcher *d)
{
    struct census *c = d->census;

    if (c->is_running)
        return;
    for (unsigned i = 0; i < HOOK_STATES; i++)
        c->n[i] = 0;
    c->oldest_ms = INT64_MAX;
    c->is_running = true;
    go_on(d);
}
