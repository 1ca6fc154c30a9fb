// SPDX-License-Identifier: MIT
// history_fill.c — fills the history of an engine that does not run.
//
// Writes attempts as the dispatcher does, in its own transactions, for hooks 1 to
// --hooks and events 1 to --events, which must exist. Attempt i belongs to hook i mod
// hooks; each hook goes through the events in order. When all pairs of hook and event
// have an attempt, each gets another one. One pair in --dead-one-in fails each time and
// ends as a dead letter.

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "bench/args.h"
#include "common/base/clock.h"
#include "common/base/codec.h"
#include "queue/queue.h"

#define ROWS_AT_ONCE 5000

struct fill {
    const char *data_dir;
    const char *org;
    uint64_t org_id;
    uint64_t attempts, hooks, events, dead_one_in;
    uint64_t max_bytes;
    uint64_t pairs; // hooks * events, or fewer
    int64_t began_us;
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

static void say_dead(struct fill *f, const struct attempt *a)
{
    const struct dead_row row = { .hook_id = a->hook_id,
                                  .position = a->position,
                                  .dead_at_ms = a->started_at_us / 1000,
                                  .n_attempts = a->attempt,
                                  .queue_us = a->timing.queue_us };

    batch_dead_put(f->change, &row);
}

static void say_attempt(struct fill *f, uint64_t i)
{
    uint64_t pair = i % f->pairs;
    uint64_t event = pair / f->hooks + 1;
    bool is_last = i + f->pairs >= f->attempts;
    bool is_dead = f->dead_one_in > 0 && pair % f->dead_one_in == 0;
    struct attempt a = {
        .hook_id = pair % f->hooks + 1,
        .org_id = f->org_id,
        .event_id = id_v7(f->began_us / 1000, event, 0),
        .kind = event % 2 == 0 ? STR("bench.even") : STR("bench.odd"),
        .accepted_at_us = f->began_us,
        .started_at_us = f->began_us + (int64_t)i * 100,
        .attempt = (uint32_t)(i / f->pairs + 1),
        .state = DELIVERY_DELIVERED,
        .response_code = 200,
        .timing = { .queue_us = 500, .first_byte_us = 800, .total_us = 900 },
        .request_url = STR("http://127.0.0.1:9/in"),
        .request_headers = STR("Content-Type: application/json\r\n"
                               "Pulumi-Webhook-Kind: bench.even\r\n"),
        .response_headers = STR("Content-Length: 2\r\n"),
        .response_body = STR("ok"),
    };

    put_be64(a.position.bytes, event);
    if (is_dead) {
        a.state = is_last ? DELIVERY_DEAD : DELIVERY_DELIVERED;
        a.error = ERROR_STATUS;
        a.error_message = STR("status 500");
        a.response_code = 500;
    }
    batch_attempt(f->change, &a);
    if (!is_last)
        return;
    batch_count(f->change, COUNT_MATCHED, 1);
    if (is_dead) {
        say_dead(f, &a);
    } else {
        batch_count(f->change, COUNT_DELIVERED, 1);
    }
}

int main(int argc, char **argv)
{
    struct fill f = { .org = "bench",
                      .attempts = 10000,
                      .hooks = 10,
                      .events = 1000,
                      .dead_one_in = 1000,
                      .max_bytes = UINT64_C(64) << 30 };
    const struct arg args[] = {
        { "--data-dir", "of an engine that does not run", NULL, 0, 0,
          &f.data_dir },
        { "--org", "organization of the hooks", NULL, 0, 0, &f.org },
        { "--attempts", "to be written", &f.attempts, 1, 100000000, NULL },
        { "--hooks", "there are", &f.hooks, 1, 100000, NULL },
        { "--events", "there are", &f.events, 1, 10000000, NULL },
        { "--dead-one-in", "pairs of hook and event; 0: none", &f.dead_one_in,
          0, 1000000, NULL },
    };
    int64_t start_us = clock_mono_us();
    struct queue_config qc = { .n_shards = 1 };
    struct hook_store *hooks;

    args_read(argc, argv, args, sizeof(args) / sizeof(args[0]));
    if (f.data_dir == NULL) {
        fprintf(stderr, "--data-dir is needed\n");
        return 2;
    }
    f.pairs = f.hooks * f.events;
    if (f.pairs > f.attempts)
        f.pairs = f.attempts;
    f.began_us = clock_now_us() - (int64_t)f.attempts * 100;
    qc.data_dir = f.data_dir;
    qc.max_bytes = f.max_bytes;
    uv_loop_init(&f.loop);
    if (shard_open(&qc, 0, &f.loop, &f.shard) != OK) {
        fprintf(stderr, "%s cannot be opened\n", f.data_dir);
        return 1;
    }
    if (hook_store_view(&qc, &hooks) != OK ||
        org_number(hooks, DIALECT_PULUMI, str_of(f.org), &f.org_id) != OK ||
        f.org_id == 0) {
        fprintf(stderr, "organization %s has no webhook\n", f.org);
        return 1;
    }
    f.change = shard_batch_new();
    for (uint64_t i = 0; i < f.attempts; i++) {
        say_attempt(&f, i);
        if ((i + 1) % ROWS_AT_ONCE == 0 || i + 1 == f.attempts) {
            batch_stats_noted(f.change);
            commit(&f);
        }
    }
    shard_batch_free(f.change);
    printf("{\"attempts\":%" PRIu64 ",\"seconds\":%.3f}\n", f.attempts,
           (double)(clock_mono_us() - start_us) / 1e6);
    return 0;
}
