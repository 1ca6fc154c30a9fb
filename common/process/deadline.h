// SPDX-License-Identifier: MIT
// deadline.h — a timer that fires once, at the earliest time that was asked for.
//
// libuv (from 1.48) takes all timers that are due off its list before it calls the
// first one. If that one's callback restarts another due timer, the other loses its
// turn, and never fires if the two keep coinciding. A deadline remembers its time:
// asking for a later one changes nothing.

#ifndef COMMON_PROCESS_DEADLINE_H
#define COMMON_PROCESS_DEADLINE_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

// Closed to other rooms.
struct deadline {
    uv_timer_t timer; // first; its `data` is the owner's
    uint64_t at_ms;   // of the loop's time
    bool is_set;
    void (*fire)(void *data);
};

// Initializes it, not set. `fire` is called on the loop with `data`, and may set it
// again.
void deadline_init(struct deadline *d, uv_loop_t *loop,
                   void (*fire)(void *data), void *data);

// Makes it fire in `wait_ms`, or sooner if an earlier time was asked for before.
void deadline_within(struct deadline *d, uint64_t wait_ms);

// Cancels it.
void deadline_stop(struct deadline *d);

// Like uv_close(): the memory must stay until `closed` runs, which finds the
// owner's data in the handle.
void deadline_close(struct deadline *d, uv_close_cb closed);

#endif
