// SPDX-License-Identifier: MIT
// hidden.h — on disk: events of a post that is being stored in parts (parts.h).
//
// They lie in the table of events behind the log's end, so that readers do not see
// them. The row "open" says so; it is there from the first part until the last one has
// become visible, or all are removed again. Numbers that the log's end passed and that
// no event has are counted in the row "unused".

#ifndef QUEUE_EVENT_ROWS_HIDDEN_H
#define QUEUE_EVENT_ROWS_HIDDEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "queue/lmdb/environment.h"

#define HIDDEN_BYTES 9 // of the row "open"

// Notes that events from number `from` on are hidden. `is_whole`: all of the post are
// stored.
MUST_CHECK enum err hidden_put(struct store *s, MDB_txn *txn, uint64_t from,
                               bool is_whole);
// No event is hidden any more.
MUST_CHECK enum err hidden_end(struct store *s, MDB_txn *txn);

// Removes events from the end, with their keys, whose numbers are `from` or greater: about
// `max_bytes` of them, with 1 KiB each at least. `is_done`: none is left.
MUST_CHECK enum err hidden_remove(struct store *s, MDB_txn *txn, uint64_t from,
                                  size_t max_bytes, bool *is_done);

// What the row "open" says.
struct hidden {
    bool is_there, is_whole;
    uint64_t from;
};

// Reads the row "open"; a damaged one is as none.
MUST_CHECK enum err hidden_get(struct store *s, MDB_txn *txn,
                               struct hidden *out);

// Makes all of a post visible that is stored whole: moves `next`, the number of the next
// event, behind it. The caller stores `next`.
MUST_CHECK enum err hidden_show(struct store *s, MDB_txn *txn, uint64_t *next);

// How many numbers below the log's end no event ever had.
MUST_CHECK enum err unused_get(struct store *s, MDB_txn *txn, uint64_t *n);
MUST_CHECK enum err unused_add(struct store *s, MDB_txn *txn, uint64_t more);

#endif
