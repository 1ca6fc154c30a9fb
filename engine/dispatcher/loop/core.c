// SPDX-License-Identifier: MIT
// core.c — the scheduling core within the process.

#include "engine/dispatcher/loop/core.h"

#include <assert.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/config/config.h"
#include "common/encoding/crypto.h"
#include "common/process/role.h"
#include "engine/dispatcher/loop/dispatcher.h"
#include "engine/dispatcher/loop/due_clock.h"
#include "engine/dispatcher/loop/turn.h"
#include "engine/dispatcher/schedule/in_flight.h"
#include "engine/dispatcher/schedule/schedule.h"
#include "engine/dispatcher/schedule/step.h"

// Attempts in a quarter of a second that keep a sender busy for some 5 % of it.
#define BUSY_ATTEMPTS 250

static struct schedule_limits limits_of(const struct dispatcher *d)
{
    const struct config *c = d->config;

    return (struct schedule_limits){
        .n_senders = d->n_senders,
        // Dispatchers with few endpoints do not all begin with the same sender.
        .first_sender = role_index(d->role),
        .busy_attempts = BUSY_ATTEMPTS,
        .max_inflight = (uint32_t)c->max_inflight,
        .max_inflight_slow = (uint32_t)c->max_inflight_slow,
        .max_inflight_per_endpoint = (uint32_t)c->max_inflight_per_endpoint,
        .max_on_demand = (uint32_t)c->max_manual,
        .max_ordered = ORDERED_MAX,
    };
}

void core_init(struct dispatcher *d)
{
    struct schedule_limits limits = limits_of(d);

    crypto_random(&limits.hash_seed, sizeof(limits.hash_seed));
    schedule_init(&d->schedule, &limits);
    d->attempt_notes =
        xcalloc(in_flight_slots(&d->schedule), sizeof(*d->attempt_notes));
    for (size_t i = 0; i < in_flight_slots(&d->schedule); i++) {
        struct attempt_notes *notes = &d->attempt_notes[i];

        buf_init(&notes->kind, 0);
        buf_init(&notes->url, 0);
        buf_init(&notes->headers, 0);
        buf_init(&notes->body, 0);
        buf_init(&notes->trace_state, 0);
        buf_init(&notes->sealed_for, 0);
        in_flight_set_notes(&d->schedule, i, notes);
    }
    buf_init(&d->headers, 0);
    buf_init(&d->sealed, 0);
    uv_timer_init(role_loop(d->role), &d->schedule_timer);
    d->schedule_timer.data = d;
    d->timer_at_us = INT64_MAX;
}

void core_reload(struct dispatcher *d)
{
    struct schedule_limits limits = limits_of(d);

    schedule_set_limits(&d->schedule, &limits);
}

void core_step(struct dispatcher *d, const struct schedule_event *e,
               struct effects *out)
{
    int64_t mono_us = clock_mono_us();
    const struct schedule_time now = {
        .mono_us = mono_us,
        .due_ms = due_clock_now_ms(&d->due_clock, clock_now_ms(), mono_us),
    };

    schedule_step(&d->schedule, e, &now, out);
}

void core_note(struct dispatcher *d, const struct schedule_event *e)
{
    struct effects none;

    core_step(d, e, &none);
    assert(none.n == 0);
}

// --- the timer ---

static void on_timer(uv_timer_t *timer)
{
    struct dispatcher *d = timer->data;

    d->timer_at_us = INT64_MAX;
    turn_mark(d, TURN_SEND);
}

void core_set_timer(struct dispatcher *d)
{
    int64_t at_us = schedule_next_us(&d->schedule);
    int64_t wait_ms;

    if (at_us == d->timer_at_us)
        return;
    d->timer_at_us = at_us;
    if (at_us == INT64_MAX) {
        uv_timer_stop(&d->schedule_timer);
        return;
    }
    wait_ms = (at_us - clock_mono_us() + 999) / 1000;
    uv_timer_start(&d->schedule_timer, on_timer,
                   wait_ms > 1 ? (uint64_t)wait_ms : 1, 0);
}
