// SPDX-License-Identifier: MIT
// histogram.c — a histogram of durations in µs: log-linear buckets, error below 1 %.

#include "common/base/histogram.h"

#include <string.h>

#define MAX_VALUE ((INT64_C(1) << HISTOGRAM_MAX_BITS) - 1)

size_t histogram_bucket(uint64_t value, unsigned sub_bits)
{
    uint64_t n_subs = UINT64_C(1) << sub_bits;
    unsigned shift;

    if (value < 2 * n_subs)
        return (size_t)value;
    shift = 63U - (unsigned)__builtin_clzll(value) - sub_bits;
    return (size_t)(shift * n_subs + (value >> shift));
}

uint64_t histogram_bucket_end(size_t bucket, unsigned sub_bits)
{
    uint64_t n_subs = UINT64_C(1) << sub_bits;
    uint64_t shift;
    uint64_t lead;

    if (bucket < 2 * n_subs)
        return bucket;
    shift = bucket / n_subs - 1;
    lead = bucket % n_subs + n_subs;
    return ((lead + 1) << shift) - 1;
}

void histogram_reset(struct histogram *h)
{
    memset(h, 0, sizeof(*h));
}

void histogram_put(struct histogram *h, int64_t value_us)
{
    if (value_us < 0)
        value_us = 0;
    if (value_us > MAX_VALUE)
        value_us = MAX_VALUE;

    if (h->n == 0 || value_us < h->min_us)
        h->min_us = value_us;
    if (value_us > h->max_us)
        h->max_us = value_us;
    h->counts[histogram_bucket((uint64_t)value_us, HISTOGRAM_SUB_BITS)]++;
    h->sum_us += value_us;
    h->n++;
}

int64_t histogram_percentile(const struct histogram *h, double percent)
{
    double exact = (double)h->n * percent / 100.0;
    uint64_t wanted = (uint64_t)exact;
    uint64_t seen = 0;

    if ((double)wanted < exact || wanted == 0)
        wanted++;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += h->counts[i];
        if (seen >= wanted) {
            int64_t end = (int64_t)histogram_bucket_end(i, HISTOGRAM_SUB_BITS);

            return end < h->max_us ? end : h->max_us;
        }
    }
    return h->max_us;
}
