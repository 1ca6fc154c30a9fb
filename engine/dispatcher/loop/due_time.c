// SPDX-License-Identifier: MIT
// due_time.c — the time that due rows are compared with.

#include "engine/dispatcher/loop/due_time.h"

#include "common/base/clock.h"
#include "engine/dispatcher/loop/dispatcher.h"
#include "engine/dispatcher/loop/due_clock.h"

int64_t due_now_ms(struct dispatcher *d)
{
    return due_clock_now_ms(&d->due_clock, clock_now_ms(), clock_mono_us());
}

void due_saw_ms(struct dispatcher *d, int64_t at_ms)
{
    if (at_ms > d->due_clock.now_ms && at_ms > due_now_ms(d))
        due_clock_saw(&d->due_clock, at_ms);
}
