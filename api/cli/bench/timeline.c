// SPDX-License-Identifier: MIT
// timeline.c — latencies by the second of the run.

#include "api/cli/bench/timeline.h"

#include "common/base/mem.h"

void bench_clock_init(struct bench_clock *c, int64_t started_us)
{
    c->started_us = started_us;
    c->second = 0;
    c->n_timeline = 0;
    histogram_reset(&c->histogram);
    c->timeline = xcalloc(BENCH_SECONDS_MAX, sizeof(*c->timeline));
}

static void close_second(struct bench_clock *c)
{
    if (c->second >= BENCH_SECONDS_MAX)
        return;
    c->timeline[c->second] =
        (struct bench_second){ .n = c->histogram.n,
                               .p50 = histogram_percentile(&c->histogram, 50),
                               .p99 = histogram_percentile(&c->histogram, 99),
                               .max = c->histogram.max_us };
    c->n_timeline = c->second + 1;
    histogram_reset(&c->histogram);
}

void bench_clock_put(struct bench_clock *c, int64_t at_us, int64_t latency_us)
{
    size_t second = (size_t)((at_us - c->started_us) / 1000000);

    if (second > c->second) {
        close_second(c);
        c->second = second;
    }
    histogram_put(&c->histogram, latency_us);
}

void bench_clock_end(struct bench_clock *c)
{
    if (c->histogram.n > 0)
        close_second(c);
}
