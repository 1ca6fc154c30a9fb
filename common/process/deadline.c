// SPDX-License-Identifier: MIT
// deadline.c — a timer that fires once, at the earliest time that it was asked for.

#include "common/process/deadline.h"

void deadline_init(struct deadline *d, uv_loop_t *loop,
                   void (*fire)(void *data), void *data)
{
    *d = (struct deadline){ .fire = fire };
    uv_timer_init(loop, &d->timer);
    d->timer.data = data;
}

static void on_timer(uv_timer_t *timer)
{
    struct deadline *d = (struct deadline *)timer;

    d->is_set = false;
    d->fire(timer->data);
}

void deadline_within(struct deadline *d, uint64_t wait_ms)
{
    uint64_t at_ms = uv_now(d->timer.loop) + wait_ms;

    if (d->is_set && d->at_ms <= at_ms)
        return;
    d->is_set = true;
    d->at_ms = at_ms;
    uv_timer_start(&d->timer, on_timer, wait_ms, 0);
}

void deadline_stop(struct deadline *d)
{
    d->is_set = false;
    uv_timer_stop(&d->timer);
}

void deadline_close(struct deadline *d, uv_close_cb closed)
{
    d->is_set = false;
    uv_close((uv_handle_t *)&d->timer, closed);
}
