// SPDX-License-Identifier: MIT
// mark_row.h — the inside: the mark of an erasure in an environment's table `meta`.

#ifndef QUEUE_ERASURE_MARK_ROW_H
#define QUEUE_ERASURE_MARK_ROW_H

#include "queue/erasure/erasure_mark.h"
#include "queue/lmdb/environment.h"

// A row that is missing or malformed reads as zeros: the work is done once more.
MUST_CHECK enum err mark_row_get(struct store *s, MDB_txn *txn, unsigned db,
                                 struct erasure_mark *out);
MUST_CHECK enum err mark_row_put(struct store *s, MDB_txn *txn, unsigned db,
                                 const struct erasure_mark *mark);

// As of the last commit, on the loop's thread.
MUST_CHECK enum err mark_row_read(struct store *s, unsigned db,
                                  struct erasure_mark *out);

#endif
