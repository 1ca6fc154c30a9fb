// SPDX-License-Identifier: MIT
// cautious_clock.h — the clock that decides what is old enough to be removed.
//
// It is the wall clock, except that a leap ahead (caused by a wrong time server or
// an empty battery) is accepted only after it has lasted: data that is removed by
// mistake does not come back. A step back is accepted at once, since it removes
// less.
//
// Pure: the times are passed in. Wall times are microseconds of the UTC epoch,
// `mono_us` is the monotonic clock.

#ifndef COMMON_PROCESS_CAUTIOUS_CLOCK_H
#define COMMON_PROCESS_CAUTIOUS_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

// More than the clocks of a machine drift apart between two readings, and more than
// a machine needs to restart: smaller differences are no leap.
#define CLOCK_LEAP_US INT64_C(3600000000)
// Long enough for a time service or a person to set a wrong clock right.
#define CLOCK_LEAP_HELD_US INT64_C(600000000)

// Closed to other rooms.
struct cautious_clock {
    int64_t now_us; // the time as last returned
    int64_t read_at_us;
    int64_t leapt_at_us; // monotonic; when the pending leap began
    bool is_leaping;
};

// `known_us`: the latest wall time that the disk remembers; 0: none.
void cautious_clock_init(struct cautious_clock *c, int64_t known_us,
                         int64_t wall_us, int64_t mono_us);

// The time now. While a leap is pending, it advances with the monotonic clock.
int64_t cautious_clock_now_us(struct cautious_clock *c, int64_t wall_us,
                              int64_t mono_us);

// Like cautious_clock_now_us(), with the clocks of this machine; logs when a leap
// begins to be held back.
int64_t cautious_clock_read_us(struct cautious_clock *c);

#endif
