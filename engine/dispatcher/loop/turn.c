// SPDX-License-Identifier: MIT
// turn.c — what callbacks leave to the dispatcher's turn.

#include "engine/dispatcher/loop/turn.h"

#include "common/process/role.h"
#include "engine/dispatcher/loop/dispatcher.h"

// Does nothing: an active idle handle keeps the loop from waiting.
static void on_awake(uv_idle_t *idle)
{
    (void)idle;
}

static void on_check(uv_check_t *check)
{
    struct dispatcher *d = check->data;

    if (d->marked == 0)
        return;
    d->on_turn(d);
    if (d->marked == 0)
        uv_idle_stop(&d->awake);
}

void turn_start(struct dispatcher *d, void (*on_turn)(struct dispatcher *d))
{
    uv_loop_t *loop = role_loop(d->role);

    d->on_turn = on_turn;
    uv_idle_init(loop, &d->awake);
    uv_check_init(loop, &d->check);
    d->check.data = d;
    uv_check_start(&d->check, on_check);
}

void turn_mark(struct dispatcher *d, enum turn_work work)
{
    if (d->marked == 0)
        uv_idle_start(&d->awake, on_awake);
    d->marked |= work;
}

bool turn_take(struct dispatcher *d, enum turn_work work)
{
    bool was_marked = (d->marked & work) != 0;

    d->marked &= ~(unsigned)work;
    return was_marked;
}
