// SPDX-License-Identifier: MIT
// row_changes.h — the only way to change rows; what a transaction changed is recorded.
//
// Where an environment has copies on other machines, its write transactions record the
// rows that they put and delete, so that the same can be done to the copies.

#ifndef QUEUE_LMDB_ROW_CHANGES_H
#define QUEUE_LMDB_ROW_CHANGES_H

#include "common/base/err.h"
#include "common/base/str.h"
#include "queue/lmdb/environment.h"
#include "queue/lmdb/row_change.h"

// As mdb_put(), mdb_del(), mdb_cursor_put() and mdb_cursor_del(). `flags` are not
// MDB_RESERVE, and a table has one value for a key.
int row_put(MDB_txn *txn, MDB_dbi dbi, MDB_val *key, MDB_val *val,
            unsigned flags);
int row_del(MDB_txn *txn, MDB_dbi dbi, MDB_val *key);
int row_cursor_put(MDB_cursor *cursor, MDB_val *key, MDB_val *val,
                   unsigned flags);
int row_cursor_del(MDB_cursor *cursor);

// Does all changes. ERR_CORRUPT, ERR_FULL, ERR_IO: some may be done; abort the transaction.
MUST_CHECK enum err row_changes_apply(struct store *s, MDB_txn *txn,
                                      struct str bytes);

#endif
