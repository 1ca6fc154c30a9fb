// SPDX-License-Identifier: MIT
// rate_limiter.h — limits a rate per second for each key, in bounded memory.
//
// Keys with colliding hashes share a bucket: a key may be limited too early, never
// too late.

#ifndef COMMON_FAIRNESS_RATE_LIMITER_H
#define COMMON_FAIRNESS_RATE_LIMITER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/str.h"

#define LIMITER_BUCKETS 1024

// Closed to other rooms.
struct limiter {
    double per_second;
    double burst;
    struct {
        double left;
        int64_t at_us; // monotonic; 0: never used, full
    } buckets[LIMITER_BUCKETS];
};

void limiter_init(struct limiter *l, double per_second, double burst);

// Takes one token from the key's bucket. False: none is left.
bool limiter_take(struct limiter *l, struct str key, int64_t now_us);

#endif
