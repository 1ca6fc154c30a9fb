// SPDX-License-Identifier: MIT
// deadline.h — a timer that fires once, at the earliest time that it was asked for.
//
// libuv (from 1.48) takes all timers that are due off its list before it calls the
// first of them. One of them that another's callback starts again then loses its
// turn, and never fires if the two keep coinciding. A deadline knows its time by
// itself: to ask for a later one changes nothing.

#ifndef COMMON_PROCESS_DEADLINE_H
#define COMMON_PROCESS_DEADLINE_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct deadline {
    uv_timer_t timer; // first; its `data` is the owner's
    uint64_t at_ms;   // of the loop's time
    bool is_set;
    void (*fire)(void *data);
};

// Not set. `fire` is called on the loop with `data`, and may set it again.
void deadline_init(struct deadline *d, uv_loop_t *loop,
                   void (*fire)(void *data), void *data);

// Fires in `wait_ms`, or sooner if that was asked for before.
void deadline_within(struct deadline *d, uint64_t wait_ms);

// Does not fire any more.
void deadline_stop(struct deadline *d);

// As uv_close(): the memory stays until `closed`, which finds the owner's data in
// the handle.
void deadline_close(struct deadline *d, uv_close_cb closed);

#endif
