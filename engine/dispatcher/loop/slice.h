// SPDX-License-Identifier: MIT
// slice.h — how long work may hold the loop at once.

#ifndef ENGINE_DISPATCHER_LOOP_SLICE_H
#define ENGINE_DISPATCHER_LOOP_SLICE_H

#include "engine/dispatcher/loop/dispatcher.h"

// When a slice that began then (monotonic) has to end.
int64_t slice_end_us(int64_t began_us);

// How long sliced work pauses after a slice that took `took_us`: live deliveries have
// at least two thirds of the time.
uint64_t slice_rest_ms(int64_t took_us);

// Starts the timer for the next slice, `rest_ms` from now.
void slice_rest(uv_timer_t *timer, uv_timer_cb then, uint64_t rest_ms);

#endif
