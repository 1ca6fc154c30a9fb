// SPDX-License-Identifier: MIT
// shard_state.h — the record of a shard's state.

#ifndef QUEUE_SHARD_SHARD_STATE_H
#define QUEUE_SHARD_SHARD_STATE_H

#include "common/base/err.h"
#include "queue/lmdb/environment.h"
#include "queue/records/counts.h"
#include "queue/records/schema.h"

// ERR_NOTFOUND: a new shard, nothing was committed.
MUST_CHECK enum err shard_read_state(struct store *s, MDB_txn *txn,
                                     struct shard_state *out);
MUST_CHECK enum err shard_put_state(struct store *s, MDB_txn *txn,
                                    const struct shard_state *state);
// Derives a state to replace one that is damaged.
MUST_CHECK enum err shard_guess_state(struct store *s, MDB_txn *txn,
                                      struct shard_state *out);
MUST_CHECK enum err shard_read_counts(struct store *s, MDB_txn *txn,
                                      const struct shard_state *state,
                                      struct shard_counts *out);

#endif
