// SPDX-License-Identifier: MIT
// copy_to.h — the writing end of a copy: an environment that is made record by
// record. Used by backup.c and repair.c.

#ifndef QUEUE_ADMIN_COPY_TO_H
#define QUEUE_ADMIN_COPY_TO_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "queue/listing/listed_event.h"
#include "queue/lmdb/environment.h"
#include "queue/lmdb/identity.h"
#include "queue/records/schema.h"
#include "queue/shard/payload_refs.h"

struct migration;

struct copy_to {
    struct part part;
    struct migration *migration; // set if records are of format 4
    struct buf plain; // the current record, with the place RECORD_NOWHERE
    struct store *store;
    MDB_txn *txn; // NULL: none is open
    size_t n_rows, n_bytes;
    struct needed needed;     // of a shard
    struct shard_state state; // of a shard, if has_state
    bool has_state;
    uint64_t last_org;        // highest organization number with an attempt
    struct listed_range list; // of a shard: where its list of events is whole
    bool has_lost_list;       // part of that list was not copied
    int64_t n_dropped;        // due and dead rows that were not copied
};

// Makes the environment DIR/NAME of `part`, and leaves it open.
MUST_CHECK enum err copy_make(struct copy_to *c, const char *dir,
                              const struct part *part);

// What copy_check_record() (copy_records.h) found in a record.
struct copy_record {
    unsigned db;
    MDB_val key, val;
    uint32_t place;         // its place, if it has a checksum
    struct attempt attempt; // if it is of the history
};

// Puts a row without a checksum, unchanged.
MUST_CHECK enum err copy_put_as_is(struct copy_to *c, unsigned db, MDB_val key,
                                   MDB_val val);
// Puts a record whose place is RECORD_NOWHERE; it gets its place.
MUST_CHECK enum err copy_put_record(struct copy_to *c, unsigned db, MDB_val key,
                                    struct str record);

// Frees what `c` holds, but leaves the environment open. Also for one that was
// never made.
void copy_clear(struct copy_to *c);

// Commits what was put so far.
MUST_CHECK enum err copy_flush(struct copy_to *c);
// Ensures that c->txn is a transaction with room for `n_bytes` more.
MUST_CHECK enum err copy_ready(struct copy_to *c, size_t n_bytes);

// Records that are left out: a file with a line of JSON for each, made with the
// first one.
struct aside {
    const char *dir;
    FILE *file; // NULL: not made yet
    uint64_t n;
};

MUST_CHECK enum err aside_put(struct aside *a, const struct part *part,
                              unsigned db, MDB_val key, MDB_val val);
// Adds a line of JSON, without its line end.
MUST_CHECK enum err aside_put_line(struct aside *a, struct str line);
// Syncs it. ERR_IO.
MUST_CHECK enum err aside_close(struct aside *a);

// Makes the directories inside a data directory; `dir` may exist, if it is empty.
MUST_CHECK enum err copy_make_directory(const char *dir);
// Copies a small file of the directory, if it exists; mode 0600.
MUST_CHECK enum err copy_small_file(const char *from_dir, const char *to_dir,
                                    const char *name);

#endif
