// SPDX-License-Identifier: MIT
// batches.c — requests of many events, read in slices.
//
// Happy path: a request is read at once for the length of a slice, which is enough for
// most. What is left waits for its turns; requests that wait have a slice each, one
// after the other.

#include "engine/ingest/batches.h"

#include "common/base/clock.h"
#include "common/process/metrics.h"

#define SLICE_US 2000

// Reads lines of one batch. False: it has more, and waits again.
static bool read_some(struct batches *all, struct batch *b, int64_t until_us)
{
    struct blamed before =
        blame_begin((enum blame_kind)b->blamed.kind, b->blamed.a, b->blamed.b);
    struct buf why;
    enum err err;

    buf_init(&why, 4096);
    err = event_lines_read(&b->parser, &b->lines, b->arena, until_us, &why);
    if (err == ERR_AGAIN) {
        list_push(&all->waiting, &b->node);
    } else {
        all->done(b, err, buf_str(&why));
    }
    buf_clear(&why);
    blame_end(before);
    return err != ERR_AGAIN;
}

static void on_turn(uv_idle_t *idle)
{
    struct batches *all = idle->data;
    int64_t until_us = clock_mono_us() + SLICE_US;

    do {
        struct batch *b = LIST_POP(&all->waiting, struct batch, node);

        metrics_count(COUNTER_SLICES, 1);
        (void)read_some(all, b, until_us);
    } while (all->waiting.first != NULL && clock_mono_us() < until_us);
    if (all->waiting.first == NULL)
        uv_idle_stop(idle);
}

void batches_add(struct batches *all, struct batch *b)
{
    if (all->waiting.first != NULL) {
        list_push(&all->waiting, &b->node);
        return;
    }
    if (!read_some(all, b, clock_mono_us() + SLICE_US))
        uv_idle_start(&all->turns, on_turn);
}

void batches_init(struct batches *all, uv_loop_t *loop, batch_read done)
{
    *all = (struct batches){ .done = done };
    uv_idle_init(loop, &all->turns);
    all->turns.data = all;
}
