// SPDX-License-Identifier: MIT
// report.h — the result: for people, as JSON, compared.

#ifndef API_CLI_BENCH_REPORT_H
#define API_CLI_BENCH_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/cli/bench/timeline.h"
#include "api/cli/core/options.h"
#include "common/base/buf.h"
#include "common/base/histogram.h"
#include "common/encoding/json.h"

#define BENCH_PHASES_MAX 12
#define BENCH_CURVE      48 // points of the percentile curve

struct bench_phase {
    const char *name;
    const char *meaning;
    uint64_t n;
    int64_t p50, p90, p99, p999, max; // µs
};

struct bench_point {
    double percent;
    int64_t us;
};

struct bench_result {
    char target[256];
    double rate; // events/s asked for; 0: as fast as answers come
    uint64_t concurrency, payload_bytes, fan_out;
    double seconds; // how long the run took
    uint64_t n_sent, n_accepted, n_refused, n_lost;
    uint64_t n_expected, n_delivered; // at the receiver, or answered 2xx
    struct bench_phase phases[BENCH_PHASES_MAX]; // the first is the main one
    size_t n_phases;
    struct bench_second *timeline; // owned
    size_t n_timeline;
    struct bench_point curve[BENCH_CURVE];
    size_t n_curve;
};

void bench_add_phase(struct bench_result *r, const char *name,
                     const char *meaning, const struct histogram *histogram);
void bench_set_curve(struct bench_result *r, const struct histogram *histogram);
void bench_print(const struct bench_result *r);
void bench_json(const struct bench_result *r, struct buf *out);
// Compares two results, given as JSON. Prints what has changed, and whether that is
// more than noise. False: one of them is not a result, which is printed to stderr.
bool bench_compare(const struct command *command, const struct json_value *was,
                   const struct json_value *is);

#endif
