// SPDX-License-Identifier: MIT
// due_clock.h — the clock of due times: it goes on when the wall clock steps back.
//
// Due times are compared with this clock alone. It follows the wall clock, and
// never goes back: when the wall clock steps back, this clock goes on by the
// monotonic clock and keeps the difference. So a retry in 5 s is made after 5 s,
// whatever happens to the time of day. The clock is kept in the shard's state, so
// that a process that starts while the wall clock is behind goes on from there.
//
// Pure: the times are passed in. Wall clock and due clock are milliseconds of
// the UTC epoch; the monotonic clock is in microseconds.

#ifndef ENGINE_DISPATCHER_LOOP_DUE_CLOCK_H
#define ENGINE_DISPATCHER_LOOP_DUE_CLOCK_H

#include <stdint.h>

// Closed to other rooms.
struct due_clock {
    int64_t
        ahead_ms;   // how far this clock is ahead of the wall clock; 0 or more
    int64_t now_ms; // when it was read last
    int64_t read_at_us;
    int64_t ran_before_ms; // running time of earlier processes
    int64_t started_at_us;
};

// `clock_ms` and `ran_ms`: what due_clock_now_ms() and due_clock_ran_ms() last
// returned in an earlier process; 0: there was none.
void due_clock_init(struct due_clock *c, int64_t clock_ms, int64_t ran_ms,
                    int64_t wall_ms, int64_t mono_us);

// The time now. If the wall clock is behind by less than a second, this clock stands
// still until the wall clock has caught up.
int64_t due_clock_now_ms(struct due_clock *c, int64_t wall_ms, int64_t mono_us);

// An event was accepted at this time of the wall clock. If that is later than now,
// this clock is set ahead.
void due_clock_saw(struct due_clock *c, int64_t at_ms);

// Converts a time of this clock to the wall clock, by their difference now.
int64_t due_clock_wall_ms(const struct due_clock *c, int64_t at_ms);

// How long dispatchers of this shard have run in all, by the monotonic clock.
int64_t due_clock_ran_ms(const struct due_clock *c, int64_t mono_us);

#endif
