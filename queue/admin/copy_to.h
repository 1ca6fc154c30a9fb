// SPDX-License-Identifier: MIT
// copy_to.h — the writing end of a copy: an environment that is made record by
// record. For backup.c and repair.c.

#ifndef QUEUE_ADMIN_COPY_TO_H
#define QUEUE_ADMIN_COPY_TO_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "queue/lmdb/environment.h"
#include "queue/lmdb/identity.h"
#include "queue/records/schema.h"
#include "queue/shard/payload_refs.h"

struct migration;

struct copy_to {
    struct part part;
    struct migration *migration; // records are of format 4; NULL: of this one
    struct buf plain;            // the record at hand, nowhere
    struct store *store;
    MDB_txn *txn; // NULL: none is open
    size_t n_rows, n_bytes;
    struct needed needed;     // of a shard
    struct shard_state state; // of a shard, if has_state
    bool has_state;
    uint64_t last_org; // the highest number of an organization with an attempt
    int64_t n_dropped; // due and dead rows that are not copied
};

// Makes DIR/NAME of `part`. The environment stays open.
MUST_CHECK enum err copy_make(struct copy_to *c, const char *dir,
                              const struct part *part);

// What copy_judge() (copy_records.h) has read of a record.
struct copy_record {
    unsigned db;
    MDB_val key, val;
    uint32_t place;         // where it lies, if it is one with a checksum
    struct attempt attempt; // of the history
};

// A row without a checksum, as it is.
MUST_CHECK enum err copy_put_as_is(struct copy_to *c, unsigned db, MDB_val key,
                                   MDB_val val);
// A record that is nowhere, into its place.
MUST_CHECK enum err copy_put_record(struct copy_to *c, unsigned db, MDB_val key,
                                    struct str record);

// Of a plain value; the environment stays open. One that was never made is fine.
void copy_clear(struct copy_to *c);

// Commits what was put so far.
MUST_CHECK enum err copy_flush(struct copy_to *c);
// The transaction to put more, with room for `n_bytes`.
MUST_CHECK enum err copy_ready(struct copy_to *c, size_t n_bytes);

// Records that are left out: a file of lines of JSON, made with the first one.
struct aside {
    const char *dir;
    FILE *file; // NULL: not made yet
    uint64_t n;
};

MUST_CHECK enum err aside_put(struct aside *a, const struct part *part,
                              unsigned db, MDB_val key, MDB_val val);
// A line of JSON, without its end.
MUST_CHECK enum err aside_put_line(struct aside *a, struct str line);
// Syncs it. ERR_IO.
MUST_CHECK enum err aside_close(struct aside *a);

// What a data directory has in itself; `dir` may be there, and is empty then.
MUST_CHECK enum err copy_make_directory(const char *dir);
// A small file of the directory, if it is there; mode 0600.
MUST_CHECK enum err copy_small_file(const char *from_dir, const char *to_dir,
                                    const char *name);

#endif
