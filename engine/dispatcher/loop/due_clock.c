// SPDX-License-Identifier: MIT
// due_clock.c — the clock of due times: it goes on when the wall clock steps back.

#include "engine/dispatcher/loop/due_clock.h"

// The two clocks drift apart by less than this between two readings; a larger
// difference is a step.
#define STEP_MS 1000

void due_clock_init(struct due_clock *c, int64_t clock_ms, int64_t ran_ms,
                    int64_t wall_ms, int64_t mono_us)
{
    *c = (struct due_clock){ .now_ms = clock_ms > wall_ms ? clock_ms : wall_ms,
                             .read_at_us = mono_us,
                             .ran_before_ms = ran_ms,
                             .started_at_us = mono_us };
    c->ahead_ms = c->now_ms - wall_ms;
}

int64_t due_clock_now_ms(struct due_clock *c, int64_t wall_ms, int64_t mono_us)
{
    int64_t expected_ms = c->now_ms + (mono_us - c->read_at_us) / 1000;
    int64_t now_ms = wall_ms + c->ahead_ms;

    if (now_ms < expected_ms - STEP_MS) {
        now_ms = expected_ms;
        c->ahead_ms = now_ms - wall_ms;
    }
    if (now_ms > c->now_ms) {
        c->now_ms = now_ms;
        c->read_at_us = mono_us;
    }
    return c->now_ms;
}

void due_clock_saw(struct due_clock *c, int64_t at_ms)
{
    if (at_ms <= c->now_ms)
        return;
    c->ahead_ms += at_ms - c->now_ms;
    c->now_ms = at_ms;
}

int64_t due_clock_wall_ms(const struct due_clock *c, int64_t at_ms)
{
    return at_ms - c->ahead_ms;
}

int64_t due_clock_ran_ms(const struct due_clock *c, int64_t mono_us)
{
    return c->ran_before_ms + (mono_us - c->started_at_us) / 1000;
}
