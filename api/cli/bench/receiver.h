// SPDX-License-Identifier: MIT
// receiver.h — the receiver of `posthorn bench`, in a thread of its own.

#ifndef API_CLI_BENCH_RECEIVER_H
#define API_CLI_BENCH_RECEIVER_H

#include <stddef.h>
#include <stdint.h>

#include "api/cli/bench/timeline.h"
#include "common/base/histogram.h"

struct bench_sink; // a thread

// Starts a receiver on `address`; NULL means this machine and any port. Returns NULL if
// it cannot; stderr has the reason.
struct bench_sink *bench_sink_start(const char *address);
unsigned bench_sink_port(const struct bench_sink *s);
uint64_t bench_sink_count(const struct bench_sink *s);
// Ends the thread, and gives its latencies, counted from when events were due.
void bench_sink_stop(struct bench_sink *s, struct histogram *latency,
                     struct bench_second *timeline, size_t *n_timeline,
                     int64_t started_us);
// The last whole second, for a line on the screen.
struct bench_second bench_sink_last(struct bench_sink *s);
void bench_sink_free(struct bench_sink *s);

#endif
