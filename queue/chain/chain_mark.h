// SPDX-License-Identifier: MIT
// chain_mark.h — up to which entry of its chain an environment is.
//
// The mark is a row of the environment's table `meta`, "chain", and is committed with the
// rows of that entry. An environment that is not part of a cluster has none.

#ifndef QUEUE_CHAIN_CHAIN_MARK_H
#define QUEUE_CHAIN_CHAIN_MARK_H

#include <stdbool.h>

#include "common/base/err.h"
#include "queue/chain/chain_entry.h"
#include "queue/lmdb/environment.h"

// ERR_NOTFOUND: there is none. ERR_CORRUPT, ERR_IO.
MUST_CHECK enum err chain_mark_get(struct store *s, MDB_txn *txn,
                                   unsigned meta_db, struct chain_point *out);
// It is not recorded among the changes of the transaction.
MUST_CHECK enum err chain_mark_put(struct store *s, MDB_txn *txn,
                                   unsigned meta_db,
                                   const struct chain_point *at);

// ERR_IO. It is no error if there is none.
MUST_CHECK enum err chain_mark_remove(struct store *s, MDB_txn *txn,
                                      unsigned meta_db);

// Whether this key of the table `meta` is the mark's.
bool chain_mark_is(MDB_val key);

#endif
