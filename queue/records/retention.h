// SPDX-License-Identifier: MIT
// retention.h — what may be removed because it is old. Part of queue.h, which is
// what to include outside of queue/.

#ifndef QUEUE_RECORDS_RETENTION_H
#define QUEUE_RECORDS_RETENTION_H

#include <stdint.h>

// What retention may remove: events that were accepted before `before_us`, and,
// while more than `max_bytes` are in use, also younger ones, oldest first; and
// idempotency keys that are older than 24 h at `now_us`. Times are of the UTC
// epoch. An event that is dated later than now is as old as those behind it.
struct event_retention {
    int64_t now_us;
    int64_t before_us;
    uint64_t max_bytes;
};

// What retention may remove: what is older (UTC epoch), and, while more than
// `max_bytes` are in use, also what is not, oldest first.
struct shard_retention {
    int64_t now_us;              // an attempt that is dated later is as old as
                                 // those behind it
    int64_t delivered_before_us; // attempts that left their delivery delivered
    int64_t dead_before_us;      // others, and dead letters
    uint64_t max_bytes;
};

#endif
