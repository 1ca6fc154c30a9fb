// SPDX-License-Identifier: MIT
// counts.h — what a shard counts of its deliveries. Part of queue.h, which is what to
// include outside of queue/.

#ifndef QUEUE_RECORDS_COUNTS_H
#define QUEUE_RECORDS_COUNTS_H

#include <stdint.h>

enum count { // cumulative, kept in the same transactions as the rows
    COUNT_MATCHED,
    COUNT_DELIVERED,
    COUNT_CANCELLED,
    COUNT_DEAD_EXPIRED, // dead letters that retention removed
    COUNT_DAMAGED,      // events that could not be read
    COUNTS
};

struct shard_counts {
    int64_t counts[COUNTS];
    uint64_t n_due;  // rows in the index now
    uint64_t n_dead; // dead letters now
};
// Invariant after every commit:
// matched = delivered + cancelled + dead_expired + n_dead + n_due

#endif
