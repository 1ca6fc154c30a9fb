// SPDX-License-Identifier: MIT
// histogram.h — a histogram of durations in µs: log-linear buckets, error below 1 %.

#ifndef COMMON_BASE_HISTOGRAM_H
#define COMMON_BASE_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"

// The bucket of a value, and the greatest value of a bucket, with 2^sub_bits
// buckets for each power of two. Values below 2^(sub_bits + 1) have one each; above,
// the leading bits choose it.
size_t histogram_bucket(uint64_t value, unsigned sub_bits);
uint64_t histogram_bucket_end(size_t bucket, unsigned sub_bits);

// Buckets per power of two: a bucket is at most 1/128 of its value wide.
#define HISTOGRAM_SUB_BITS 7
// The greatest value told apart is 2^40 - 1 µs, 12 days.
#define HISTOGRAM_MAX_BITS 40
#define HISTOGRAM_BUCKETS \
    ((HISTOGRAM_MAX_BITS - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS)

struct histogram {
    uint64_t counts[HISTOGRAM_BUCKETS];
    uint64_t n;
    int64_t sum_us;
    int64_t min_us;
    int64_t max_us;
};

void histogram_reset(struct histogram *h);

// Negative values count as 0; values that are too great count as the greatest.
void histogram_put(struct histogram *h, int64_t value_us);

// The smallest bucket end that `percent` of the values do not exceed, at most
// the greatest value put. 0 if there are none.
int64_t histogram_percentile(const struct histogram *h, double percent);

#endif
