// SPDX-License-Identifier: MIT
// backlog_fill.c — fills the due index of an engine that does not run.
//
// Writes rows as the dispatcher does, in its own transactions: a row for each of the
// hooks --first-hook to --first-hook + --hooks - 1 and each of the events 1 to --events,
// which must exist. The rows are due --due-in-s from now on, those of one hook a
// millisecond apart, in the order of the events.

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include "bench/args.h"
#include "common/base/clock.h"
#include "common/base/codec.h"
#include "queue/queue.h"

// More than a dispatcher's transactions have, to wait for the disk less often.
#define ROWS_AT_ONCE 50000

struct fill {
    const char *data_dir;
    uint64_t first_hook, hooks, events;
    uint64_t due_in_s;
    uint64_t payload_bytes;
    uint64_t max_bytes;
    uv_loop_t loop;
    struct shard *shard;
    struct shard_batch *change;
};

static void on_committed(void *data, enum err err)
{
    struct fill *f = data;

    if (err != OK) {
        fprintf(stderr, "commit: %s\n", err_str(err));
        exit(1);
    }
    shard_batch_reset(f->change);
}

static void commit(struct fill *f)
{
    shard_commit(f->shard, f->change, on_committed, f);
    uv_run(&f->loop, UV_RUN_DEFAULT);
}

static void put_row(struct fill *f, int64_t now_ms, uint64_t hook,
                    uint64_t event)
{
    struct due_row row = {
        .hook_id = f->first_hook + hook,
        .due_at_ms =
            now_ms + (int64_t)(f->due_in_s * 1000) + (int64_t)(event - 1),
        .payload_bytes = (uint32_t)f->payload_bytes,
    };

    if (f->due_in_s == 0) // accepted one after the other, until now
        row.due_at_ms -= (int64_t)f->events;
    put_be64(row.position.bytes, event);
    batch_due_put(f->change, &row);
    batch_count(f->change, COUNT_MATCHED, 1);
}

static void fill(struct fill *f)
{
    int64_t now_ms = clock_now_us() / 1000;
    uint64_t n_rows = f->hooks * f->events;

    f->change = shard_batch_new();
    for (uint64_t i = 0; i < n_rows; i++) {
        put_row(f, now_ms, i % f->hooks, i / f->hooks + 1);
        if ((i + 1) % ROWS_AT_ONCE == 0 || i + 1 == n_rows)
            commit(f);
    }
    shard_batch_free(f->change);
}

int main(int argc, char **argv)
{
    struct fill f = { .first_hook = 1,
                      .hooks = 100,
                      .events = 100,
                      .payload_bytes = 1024,
                      .max_bytes = UINT64_C(64) << 30 };
    const struct arg args[] = {
        { "--data-dir", "of an engine that does not run", NULL, 0, 0,
          &f.data_dir },
        { "--first-hook", "number of the first hook", &f.first_hook, 1, 1000000,
          NULL },
        { "--hooks", "that have rows", &f.hooks, 1, 1000000, NULL },
        { "--events", "that each of these waits for", &f.events, 1, 100000000,
          NULL },
        { "--due-in-s", "when they are due; 0: now", &f.due_in_s, 0, 10000000,
          NULL },
        { "--bytes", "of a payload", &f.payload_bytes, 0, 1U << 20, NULL },
    };
    int64_t start_us = clock_mono_us();
    struct queue_config qc = { .n_shards = 1 };

    args_read(argc, argv, args, sizeof(args) / sizeof(args[0]));
    if (f.data_dir == NULL) {
        fprintf(stderr, "--data-dir is needed\n");
        return 2;
    }
    qc.data_dir = f.data_dir;
    qc.max_bytes = f.max_bytes;
    uv_loop_init(&f.loop);
    if (shard_open(&qc, 0, &f.loop, &f.shard) != OK) {
        fprintf(stderr, "%s cannot be opened\n", f.data_dir);
        return 1;
    }
    fill(&f);
    printf("{\"rows\":%" PRIu64 ",\"seconds\":%.3f}\n", f.hooks * f.events,
           (double)(clock_mono_us() - start_us) / 1e6);
    return 0;
}
