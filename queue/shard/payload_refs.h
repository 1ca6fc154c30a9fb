// SPDX-License-Identifier: MIT
// payload_refs.h — which events deliveries still need, so that none is removed.
//
// Counted by blocks of events, in the transaction that moves the rows: few
// counts change in one, for what moves together was accepted together.

#ifndef QUEUE_SHARD_PAYLOAD_REFS_H
#define QUEUE_SHARD_PAYLOAD_REFS_H

#include "queue/lmdb/environment.h"
#include "queue/records/backlog_sums.h"

#define NEEDED_BLOCK_EVENTS 64
#define NEEDED_AT_ONCE      32

// What a transaction changes, until it is written.
struct needed {
    struct {
        uint64_t block;
        int64_t delta;
    } at[NEEDED_AT_ONCE];
    size_t n;
    struct backlog_sums *backlog; // where due rows are summed up; NULL: nowhere
};

// Puts a row of the due or the dead index, or removes one, and counts it.
// needed_del_row(): also ERR_NOTFOUND, it is not there.
MUST_CHECK enum err needed_put_row(struct store *s, MDB_txn *txn,
                                   struct needed *needed, unsigned db,
                                   MDB_val key, struct str record);
MUST_CHECK enum err needed_del_row(struct store *s, MDB_txn *txn,
                                   struct needed *needed, unsigned db,
                                   MDB_val key);

// Writes what was counted: before the commit.
MUST_CHECK enum err needed_flush(struct store *s, MDB_txn *txn,
                                 struct needed *needed);

#endif
