// SPDX-License-Identifier: MIT
// patience.c — waiting with a time limit, for many at once.

#include "engine/ingest/patience.h"

#include <stddef.h>

#include "common/base/clock.h"

#define TICK_MS 250

void patience_end(struct patience *p, struct patient *who)
{
    if (!who->is_waiting)
        return;
    list_remove(&p->waiting, &who->node);
    who->is_waiting = false;
    if (p->waiting.first == NULL)
        uv_timer_stop(&p->timer);
}

static void on_tick(uv_timer_t *timer)
{
    struct patience *p = timer->data;
    int64_t now_us = clock_mono_us();
    struct patient *who;

    while ((who = LIST_FIRST(&p->waiting, struct patient, node)) != NULL &&
           who->until_us <= now_us) {
        patience_end(p, who);
        p->on_over(who->data);
    }
}

void patience_init(struct patience *p, uv_loop_t *loop, int64_t limit_us,
                   void (*on_over)(void *data))
{
    *p = (struct patience){ .limit_us = limit_us, .on_over = on_over };
    uv_timer_init(loop, &p->timer);
    p->timer.data = p;
}

void patience_begin(struct patience *p, struct patient *who, void *data)
{
    if (p->waiting.first == NULL)
        uv_timer_start(&p->timer, on_tick, TICK_MS, TICK_MS);
    *who = (struct patient){ .until_us = clock_mono_us() + p->limit_us,
                             .data = data,
                             .is_waiting = true };
    list_push(&p->waiting, &who->node);
}
