// SPDX-License-Identifier: MIT
// rate_limiter.c — limits a rate per second for each key: token buckets.

#include "common/fairness/rate_limiter.h"

#include <string.h>

#include "common/base/codec.h"

#define US_PER_S 1000000.0

void limiter_init(struct limiter *l, double per_second, double burst)
{
    memset(l, 0, sizeof(*l));
    l->per_second = per_second;
    l->burst = burst;
}

bool limiter_take(struct limiter *l, struct str key, int64_t now_us)
{
    size_t i = hash_here(key, 0) % LIMITER_BUCKETS;
    double left = l->burst;

    if (l->buckets[i].at_us != 0) {
        left = l->buckets[i].left + (double)(now_us - l->buckets[i].at_us) *
                                        l->per_second / US_PER_S;
        if (left > l->burst)
            left = l->burst;
    }
    l->buckets[i].at_us = now_us;
    l->buckets[i].left = left < 1 ? left : left - 1;
    return left >= 1;
}
