// SPDX-License-Identifier: MIT
// retention.h — what may be removed because of its age. Part of queue.h, which is
// what to include outside of queue/.

#ifndef QUEUE_RECORDS_RETENTION_H
#define QUEUE_RECORDS_RETENTION_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/str.h"
#include "common/encoding/id.h"

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

// An organization that is erased. Nothing of it may come into the shard any more: all its
// hooks are deleted, and what waited for them is settled and committed.
struct shard_erasure {
    struct id id;        // of the erasure
    uint64_t org_nos[2]; // its numbers; 0: none
    struct str org;      // its name
    // The hooks that exist, ascending: statistics of others are removed, too, since
    // nobody can ask for them.
    const uint64_t *hooks;
    size_t n_hooks;
};

// What retention may remove from a shard: rows that are older than these times (UTC
// epoch); while more than `max_bytes` are in use, also younger ones, oldest first.
// What an organization keeps for a shorter time than others.
struct shard_org_retention {
    uint64_t org_no;
    int64_t delivered_before_us, dead_before_us; // as below
    // Its attempts up to here were looked at. The trim moves them on; 0 at first.
    uint64_t trimmed_delivered, trimmed_others;
};

struct payload_work;

struct shard_retention {
    int64_t now_us; // an attempt with a later date counts as old as
                    // those after it
    int64_t delivered_before_us; // attempts that left their delivery delivered
    int64_t dead_before_us;      // others, and dead letters
    uint64_t max_bytes;
    const struct shard_erasure *
        erasure; // of an organization; NULL: none. Borrowed, as what it points to,
                 // until the trim is done
    // Payloads to erase; NULL: none. Borrowed until the trim is done, which notes in it how
    // far it is.
    struct payload_work *payloads;
    // Organizations with a retention of their own. The trim writes to them until it is
    // done: borrowed as well.
    struct shard_org_retention *orgs;
    size_t n_orgs;
};

#endif
