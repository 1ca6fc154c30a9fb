// SPDX-License-Identifier: MIT
// payload_refs.h — counts which events deliveries still need, so that none is
// removed.
//
// Counts are kept by blocks of events, in the transaction that moves the rows. A
// transaction changes few counts, since events that are accepted together move
// together.

#ifndef QUEUE_SHARD_PAYLOAD_REFS_H
#define QUEUE_SHARD_PAYLOAD_REFS_H

#include "queue/lmdb/environment.h"
#include "queue/records/backlog_sums.h"

#define NEEDED_BLOCK_EVENTS 64
#define NEEDED_AT_ONCE      32

// The changes of a transaction that are not written yet.
struct needed {
    struct {
        uint64_t block;
        int64_t delta;
    } at[NEEDED_AT_ONCE];
    size_t n;
    struct backlog_sums *backlog; // sums of due rows to update; NULL: none
};

// Puts a row of the due or the dead index, or removes one, and counts it.
// needed_del_row() also returns ERR_NOTFOUND: there is no such row.
MUST_CHECK enum err needed_put_row(struct store *s, MDB_txn *txn,
                                   struct needed *needed, unsigned db,
                                   MDB_val key, struct str record);
MUST_CHECK enum err needed_del_row(struct store *s, MDB_txn *txn,
                                   struct needed *needed, unsigned db,
                                   MDB_val key);

// Writes the changed counts; call it before the commit.
MUST_CHECK enum err needed_flush(struct store *s, MDB_txn *txn,
                                 struct needed *needed);

#endif
