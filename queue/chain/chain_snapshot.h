// SPDX-License-Identifier: MIT
// chain_snapshot.h — all rows of an environment at one point of its chain.
//
// With a snapshot, the environment's chain can be removed up to that point, and a copy can
// be made anew. Its entries lie in a chain of their own (chain_of_snapshot()), and the value
// "snapshot.<chain>" of the journal names those that count: the number of the first one,
// how many there are, a number that they have in common, and the point.

#ifndef QUEUE_CHAIN_CHAIN_SNAPSHOT_H
#define QUEUE_CHAIN_CHAIN_SNAPSHOT_H

#include <stdint.h>

#include "common/base/err.h"
#include "queue/chain/chain.h"
#include "queue/lmdb/environment.h"

struct chain_snapshot_job {
    struct journal *journal;
    unsigned chain;       // the environment's
    struct keyring *keys; // as of chain_init()
    struct store *store;
    unsigned meta_db;
    chain_go_on_fn may_go_on; // asked where something has to be tried again
    void *data;
};

struct chain_snapshot {
    uint64_t begin;     // number of the first entry
    uint64_t n;         // entries
    uint64_t mark;      // all of them have it as their term
    uint64_t seq, term; // the point of the environment's chain
    uint64_t n_bytes;   // of rows
};

// What the value names. ERR_NOTFOUND: there is no snapshot. ERR_AGAIN, ERR_CORRUPT.
MUST_CHECK enum err chain_snapshot_get(struct journal *j, unsigned chain,
                                       struct chain_snapshot *out);

// Writes a snapshot of the environment as it is committed now, from any thread; then
// removes older ones, and the chain up to that point. Until the end, one read transaction
// is open, so LMDB does not reuse the pages that are freed meanwhile. An environment without
// a mark stands at the beginning of its chain. ERR_CONFLICT: there is a snapshot of a later
// point, or somebody wrote one meanwhile. ERR_AGAIN: `may_go_on` said false. ERR_FULL. In
// these cases the older snapshot still counts.
MUST_CHECK enum err chain_snapshot_write(const struct chain_snapshot_job *job,
                                         struct chain_snapshot *out);

// Puts the rows of the snapshot, and the mark, into an empty environment. ERR_NOTFOUND:
// there is none. ERR_AGAIN: it cannot be read now. ERR_GONE: it was replaced meanwhile; try
// again with another empty environment. ERR_CORRUPT, ERR_FULL, ERR_IO.
MUST_CHECK enum err chain_snapshot_load(const struct chain_snapshot_job *job);

#endif
