// SPDX-License-Identifier: MIT
// slice.c — how long work may hold the loop at once.

#include "engine/dispatcher/loop/slice.h"

#define SLICE_US   2000
#define REST_MS    1
#define REST_RATIO 2

int64_t slice_end_us(int64_t began_us)
{
    return began_us + SLICE_US;
}

uint64_t slice_rest_ms(int64_t took_us)
{
    return REST_MS + (uint64_t)(took_us * REST_RATIO / 1000);
}

void slice_rest(uv_timer_t *timer, uv_timer_cb then, uint64_t rest_ms)
{
    uv_update_time(timer->loop); // the loop's time is from before the slice
    uv_timer_start(timer, then, rest_ms, 0);
}
