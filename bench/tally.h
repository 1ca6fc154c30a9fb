// SPDX-License-Identifier: MIT
// tally.h — what a receiver has seen: counts, times, distinct deliveries.

#ifndef BENCH_TALLY_H
#define BENCH_TALLY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/histogram.h"
#include "common/base/str.h"

// A delivery is identified by its event's number and its path.
struct tally_options {
    bool is_timing;   // put the time from sending to arrival into the histogram
    uint64_t max_seq; // track events 0..max_seq-1; 0: do not track
    uint64_t n_paths; // paths /h/0../h/n_paths-1 are tracked separately
    struct str secret; // check each signature; empty: do not
};

struct tally {
    struct tally_options options;
    uint8_t *seen; // owned; a bit per path and event
    uint64_t n_requests;
    uint64_t n_body_bytes;
    uint64_t n_stamped;
    uint64_t n_distinct;
    uint64_t n_duplicates;
    uint64_t n_untracked; // stamp or path out of range
    uint64_t n_bad_signatures;
    int64_t first_us; // clock_mono_us() of the first and the last request
    int64_t last_us;
    struct histogram latency;
};

void tally_init(struct tally *t, const struct tally_options *options);

// Forgets all counts; keeps the options.
void tally_reset(struct tally *t);

struct tally_request {
    struct str path;
    struct str body;
    struct str signature;
    int64_t at_us;
};

void tally_add(struct tally *t, const struct tally_request *r);

// Appends one JSON object.
void tally_json(const struct tally *t, struct buf *out);

#endif
