// SPDX-License-Identifier: MIT
// load.h — sends events, at a rate or with a number of connections.

#ifndef API_CLI_BENCH_LOAD_H
#define API_CLI_BENCH_LOAD_H

#include <stdint.h>

#include "api/cli/core/trust.h"
#include "common/base/histogram.h"

struct bench_load {
    const char *url, *token; // token NULL: none
    const char *proxy;       // "": none
    struct trust trust;
    const char *kind; // NULL: the payload alone is posted
    double rate;
    uint64_t concurrency;
    uint64_t seconds, count, payload_bytes;
    // Filled in:
    uint64_t n_sent, n_accepted, n_refused, n_lost;
    char first_fault[200];
    struct histogram
        *latency; // from when an event was due to the end of its answer
    struct histogram *dns, *connect, *tls, *first_byte, *took;
    // Called several times a second.
    void (*on_tick)(void *data);
    // Called for each success, with the time of its answer (monotonic).
    void (*on_latency)(void *data, int64_t at_us, int64_t latency_us);
    void *data;
};

void bench_load_run(struct bench_load *load);

void bench_load_clear(struct bench_load *load);

// How long to wait for requests in progress: `most_us`, or less after an interrupt.
int64_t bench_patience_us(int64_t most_us);

#endif
