// SPDX-License-Identifier: MIT
// cautious_clock.c — the clock that decides what is old enough to be removed.

#include "common/process/cautious_clock.h"

#include <inttypes.h>

#include "common/base/clock.h"
#include "common/log/log.h"

#define US_PER_S 1000000

void cautious_clock_init(struct cautious_clock *c, int64_t known_us,
                         int64_t wall_us, int64_t mono_us)
{
    *c = (struct cautious_clock){ .now_us = known_us > 0 ? known_us : wall_us,
                                  .read_at_us = mono_us };
}

int64_t cautious_clock_now_us(struct cautious_clock *c, int64_t wall_us,
                              int64_t mono_us)
{
    int64_t expected_us = c->now_us + mono_us - c->read_at_us;
    bool is_ahead = wall_us > expected_us + CLOCK_LEAP_US;

    if (is_ahead && !c->is_leaping)
        c->leapt_at_us = mono_us;
    c->is_leaping = is_ahead && mono_us - c->leapt_at_us < CLOCK_LEAP_HELD_US;
    c->now_us = c->is_leaping ? expected_us : wall_us;
    c->read_at_us = mono_us;
    return c->now_us;
}

int64_t cautious_clock_read_us(struct cautious_clock *c)
{
    bool was_leaping = c->is_leaping;
    int64_t wall_us = clock_now_us();
    int64_t now_us = cautious_clock_now_us(c, wall_us, clock_mono_us());

    if (c->is_leaping && !was_leaping) {
        log_warn("the system clock jumped ahead; retention removes nothing "
                 "until the new time has lasted for held_s",
                 "ahead_s=%" PRId64 " held_s=%" PRId64,
                 (wall_us - now_us) / US_PER_S, CLOCK_LEAP_HELD_US / US_PER_S);
    }
    return now_us;
}
