// SPDX-License-Identifier: MIT
// listed_rows.h — the inside: the rows of a shard's table `listed`.
//
// A row has the events of an organization in one block of positions, ascending. Each
// shard notes the events that its hooks want; the organization's home shard
// (listed_home()) notes all. So what the shards note of an event is added up.

#ifndef QUEUE_LISTING_LISTED_ROWS_H
#define QUEUE_LISTING_LISTED_ROWS_H

#include "common/base/buf.h"
#include "common/base/text.h"
#include "queue/listing/listed_event.h"
#include "queue/lmdb/environment.h"

#define LISTED_KEY_MAX_BYTES (1 + NAME_MAX_BYTES + 1 + 8)

// Sets `bytes` to the key of a row; returns its length.
size_t listed_key(enum dialect dialect, struct str org, uint64_t block,
                  uint8_t bytes[LISTED_KEY_MAX_BYTES]);

// Appends the record of a row whose events are ascending and of its block.
void listed_encode(const struct listed_row *row, struct buf *out);
// Reads a row by its key. ERR_CORRUPT: these bytes are no such row of this place.
MUST_CHECK enum err listed_decode(uint32_t place, struct str key,
                                  struct str record, struct listed_row *out);

// Adds the row `record`, which has the place RECORD_NOWHERE, to the table `db`: to what
// is there of the same key. A damaged row there is replaced.
MUST_CHECK enum err listed_put(struct store *s, MDB_txn *txn, unsigned db,
                               MDB_val key, struct str record);

// Removes up to `max` rows of an organization, of both dialects; `n` is how many: fewer
// than `max` if none is left.
MUST_CHECK enum err listed_erase(struct store *s, MDB_txn *txn, unsigned db,
                                 struct str org, size_t max, size_t *n);

// The range in which the list is whole, a row of the table `meta`. Without one, or with
// one that is malformed: an empty range, both ends before the first event.
MUST_CHECK enum err listed_range_get(struct store *s, MDB_txn *txn, unsigned db,
                                     struct listed_range *out);
// Sets `out` if the row of the table `meta` is the range.
void listed_range_take(MDB_val key, MDB_val val, struct listed_range *out);
MUST_CHECK enum err listed_range_put(struct store *s, MDB_txn *txn, unsigned db,
                                     const struct listed_range *range);

#endif
