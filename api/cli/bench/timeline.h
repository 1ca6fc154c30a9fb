// SPDX-License-Identifier: MIT
// timeline.h — latencies by the second of the run.

#ifndef API_CLI_BENCH_TIMELINE_H
#define API_CLI_BENCH_TIMELINE_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/histogram.h"

#define BENCH_SECONDS_MAX 3700

// One second of the run.
struct bench_second {
    uint64_t n;
    int64_t p50, p99, max; // of the main phase
};

// Puts latencies into the seconds of a run.
struct bench_clock {
    int64_t started_us;
    size_t second; // the one that is being filled
    struct histogram histogram;
    struct bench_second *timeline; // owned, BENCH_SECONDS_MAX
    size_t n_timeline;
};

void bench_clock_init(struct bench_clock *c, int64_t started_us);
void bench_clock_put(struct bench_clock *c, int64_t at_us, int64_t latency_us);
void bench_clock_end(struct bench_clock *c);

#endif
