// SPDX-License-Identifier: MIT
// identity.h — which data directory an environment belongs to, and as what.
//
// FORMAT names the directory, with a random id; every environment has the same id
// in its record "self", a shard also its number and how many there are. Records
// and ids that are absent are of a directory that is older than they are: the
// first start adds them, and says in FORMAT that all have them.

#ifndef QUEUE_LMDB_IDENTITY_H
#define QUEUE_LMDB_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "queue/lmdb/environment.h"
#include "queue/lmdb/part.h"
#include "queue/records/queue_config.h"

#define DIRECTORY_ID_BYTES  16
#define DIRECTORY_KEY_BYTES 32

// What FORMAT says.
struct format {
    char name[32];
    unsigned version; // 0: it says none
    bool has_id;
    uint8_t id[DIRECTORY_ID_BYTES];
    bool is_complete; // every environment has its record
    bool
        has_key; // with which identity is hashed (idempotency.h); a copy keeps it
    uint8_t key[DIRECTORY_KEY_BYTES];
};

// Reads DIR/FORMAT. ERR_NOTFOUND: there is none. ERR_DENIED: it cannot be read.
MUST_CHECK enum err format_read(const char *dir, struct format *out);
// Writes it, with name and version of this program.
MUST_CHECK enum err format_write(const char *dir, const struct format *f);
// Makes up an id, and a key unless there is one.
void format_make_id(struct format *f);

// What "self" says. Of events and hooks both numbers are 0.
struct identity {
    uint8_t id[DIRECTORY_ID_BYTES];
    uint64_t shard, n_shards;
};

// Whether this record of the meta database is it.
bool identity_is(MDB_val key);
// ERR_NOTFOUND: the environment has none.
MUST_CHECK enum err identity_get(struct store *s, MDB_txn *txn,
                                 unsigned meta_db, struct identity *out);
MUST_CHECK enum err identity_put(struct store *s, MDB_txn *txn,
                                 const struct part *part, const uint8_t *id);

// Whether what is there belongs together: the parts that FORMAT promises are
// there, of this directory, and each shard in its own place. `n_shards` is how
// many were found. Where nobody writes to it (`is_at_rest`), the pages that lead to
// the others are looked at, too. ERR_CONFLICT: not so, and `why` holds a sentence. Parts that
// were never marked are fine in a directory that never was.
MUST_CHECK enum err identity_judge(const struct queue_config *config,
                                   unsigned n_shards, bool is_at_rest,
                                   struct buf *why);

// Marks the parts that have no record, then says in FORMAT that all have one.
MUST_CHECK enum err identity_complete(const struct queue_config *config);

// For a role that has opened a part for writing: ERR_CONFLICT, logged: it is not
// the part of this directory that it should be.
MUST_CHECK enum err identity_check(const struct queue_config *config,
                                   unsigned i, struct store *s);

#endif
