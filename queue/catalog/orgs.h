// SPDX-License-Identifier: MIT
// orgs.h — the numbers of organizations: given out once, never reused.
//
// A name has a number from its first webhook or token on, for as long as the
// directory lives. Rows of history, statistics and replays belong to the
// organization by that number only. The table lies in the environment of the hooks,
// in both directions, so that a damaged row can be rebuilt from the other
// direction; the process that writes hooks is its only writer.

#ifndef QUEUE_CATALOG_ORGS_H
#define QUEUE_CATALOG_ORGS_H

#include "common/model/event.h"
#include "queue/lmdb/environment.h"

// The highest bit of an owner's number is set for organizations.
#define OWNER_IS_ORG (UINT64_C(1) << 63)

// ERR_NOTFOUND: the name has no number. ERR_CORRUPT: its number cannot be
// recovered.
MUST_CHECK enum err orgs_find(struct store *s, MDB_txn *txn,
                              enum dialect dialect, struct str org,
                              uint64_t *no);
// Like orgs_find(), but a name without a number gets the next one, and a damaged
// row is rebuilt.
MUST_CHECK enum err orgs_give(struct store *s, MDB_txn *txn,
                              enum dialect dialect, struct str org,
                              uint64_t *no);
// Whether the organization is being erased, whichever dialect it has: nothing of it may be
// stored then. orgs_leave() begins that, orgs_forget() ends it: the organization then has
// no number any more.
MUST_CHECK enum err orgs_is_leaving(struct store *s, MDB_txn *txn,
                                    struct str org, bool *out);
// Whether a row of `meta` says that.
bool orgs_is_leaving_row(MDB_val key, MDB_val val);
MUST_CHECK enum err orgs_leave(struct store *s, MDB_txn *txn, struct str org);
MUST_CHECK enum err orgs_forget(struct store *s, MDB_txn *txn, struct str org);

// Gives out a number that no name has, for data whose organization is unknown.
MUST_CHECK enum err orgs_give_nobody(struct store *s, MDB_txn *txn,
                                     uint64_t *no);

// Ensures that new organizations get numbers above `at_least`.
MUST_CHECK enum err orgs_raise_last(struct store *s, MDB_txn *txn,
                                    uint64_t at_least);

// Decodes a record of either table. False: it is damaged, or belongs elsewhere. The
// name has the form that keys have: dialect and text.
bool orgs_decode(unsigned db, uint32_t place, MDB_val key, MDB_val val,
                 struct str *name, uint64_t *no);
// What the two tables hold. Sound ones have as many names as numbers.
struct orgs_checked {
    size_t n_names, n_numbers, n_damaged;
};

MUST_CHECK enum err orgs_check(struct store *s, MDB_txn *txn,
                               struct orgs_checked *out);

// Puts the organization into both tables.
MUST_CHECK enum err orgs_put(struct store *s, MDB_txn *txn, struct str name,
                             uint64_t no);

#endif
