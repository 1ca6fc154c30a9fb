// SPDX-License-Identifier: MIT
// orgs.h — the numbers of organizations: handed out once, never used again.
//
// A name has a number from its first webhook on, for as long as the directory
// lives. Rows of history, statistics and replays are the organization's by that
// number and by nothing else. The table lies in the environment of the hooks, in
// both directions, so that a damaged row can be made anew of the other one; its
// one writer is the process that writes hooks.

#ifndef QUEUE_CATALOG_ORGS_H
#define QUEUE_CATALOG_ORGS_H

#include "common/model/event.h"
#include "queue/lmdb/environment.h"

// The highest bit of an owner's number: it is an organization's.
#define OWNER_IS_ORG (UINT64_C(1) << 63)

// ERR_NOTFOUND: it has none. ERR_CORRUPT: it cannot be told any more.
MUST_CHECK enum err orgs_find(struct store *s, MDB_txn *txn, enum family family,
                              struct str org, uint64_t *no);
// The same; one without a number gets the next, and a damaged row is made anew.
MUST_CHECK enum err orgs_give(struct store *s, MDB_txn *txn, enum family family,
                              struct str org, uint64_t *no);
// A number that no name has: for what is left of one that nobody knows any more.
MUST_CHECK enum err orgs_give_nobody(struct store *s, MDB_txn *txn,
                                     uint64_t *no);

// The last number that was handed out; OWNER_IS_ORG: none was.
MUST_CHECK enum err orgs_last(struct store *s, MDB_txn *txn, uint64_t *no);
// Sees to it that new ones get numbers behind `at_least`.
MUST_CHECK enum err orgs_raise_last(struct store *s, MDB_txn *txn,
                                    uint64_t at_least);

// A record of either table. False: it is damaged, or lies elsewhere than it belongs.
// The name is what it is in keys: family and text.
bool orgs_decode(unsigned db, uint32_t place, MDB_val key, MDB_val val,
                 struct str *name, uint64_t *no);
// Puts it into both.
MUST_CHECK enum err orgs_put(struct store *s, MDB_txn *txn, struct str name,
                             uint64_t no);

#endif
