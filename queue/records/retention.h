// SPDX-License-Identifier: MIT
// retention.h — what may be removed because of its age. Part of queue.h, which is
// what to include outside of queue/.

#ifndef QUEUE_RECORDS_RETENTION_H
#define QUEUE_RECORDS_RETENTION_H

#include <stdint.h>

// What retention may remove from the event log: events that were accepted before
// `before_us`; while more than `max_bytes` are in use, also younger events, oldest
// first; and idempotency keys that are older than 24 h at `now_us`. Times are of
// the UTC epoch. An event with a date in the future counts as old as the events
// after it.
struct event_retention {
    int64_t now_us;
    int64_t before_us;
    uint64_t max_bytes;
};

// What retention may remove from a shard: rows that are older than these times (UTC
// epoch); while more than `max_bytes` are in use, also younger ones, oldest first.
struct shard_retention {
    int64_t now_us; // an attempt with a later date counts as old as
                    // those after it
    int64_t delivered_before_us; // attempts that left their delivery delivered
    int64_t dead_before_us;      // others, and dead letters
    uint64_t max_bytes;
};

#endif
