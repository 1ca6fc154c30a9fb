// SPDX-License-Identifier: MIT
// org_value_rows.h — the inside: where the values of organizations lie.

#ifndef QUEUE_ORGS_ORG_VALUE_ROWS_H
#define QUEUE_ORGS_ORG_VALUE_ROWS_H

#include "common/base/buf.h"
#include "queue/lmdb/environment.h"
#include "queue/orgs/org_value.h"

struct keyring;

#define ORG_VALUE_KEY_MAX_BYTES (5 + 1 + 8 + ORG_VALUE_NAME_MAX_BYTES)

// Sets `bytes` to the key of a value in the table `meta` of the hooks' environment. The
// key with an empty name is before all keys of this use and organization, and begins them.
MDB_val org_value_key(enum org_value_use use, uint64_t org_no, struct str name,
                      uint8_t bytes[ORG_VALUE_KEY_MAX_BYTES]);

// Whether a row of this key is a value, sound or damaged.
bool org_value_is_key(MDB_val key);

// Reads the row of a value; `plain` is the room for what was sealed. Without keys, or with
// others, it stays closed. ERR_CORRUPT: it is damaged.
MUST_CHECK enum err org_value_decode(uint32_t place, MDB_val key, MDB_val val,
                                     struct keyring *keys, struct buf *plain,
                                     struct org_value *out);

// Appends the record of a value. `keys` seals it if `is_sealed`.
void org_value_encode(const struct org_value *value, MDB_val key,
                      struct keyring *keys, struct buf *out);

// How often values of a use have changed; counts one more change, and returns the new count.
MUST_CHECK enum err org_values_count(struct store *s, MDB_txn *txn,
                                     enum org_value_use use,
                                     uint64_t *revision);
MUST_CHECK enum err org_values_count_change(struct store *s, MDB_txn *txn,
                                            enum org_value_use use,
                                            uint64_t *revision);
// Whether a row of this key is such a count.
bool org_values_is_count(MDB_val key, MDB_val val);

// Counts the values that are damaged.
MUST_CHECK enum err org_values_check(struct store *s, MDB_txn *txn, size_t *n);

// Removes up to `max` values of an organization, whatever they are for; `n` is how many.
MUST_CHECK enum err org_values_remove(struct store *s, MDB_txn *txn,
                                      uint64_t org_no, size_t max, size_t *n);

// Seals the sealed ones anew, with the first of the keys. Keeps what is damaged, and what
// none of the keys opens, which a program that did not know of values may have left: that
// is lost already. Adds to `n`.
MUST_CHECK enum err org_values_reseal(struct store *s, MDB_txn *txn,
                                      struct keyring *keys, uint64_t *n);

#endif
