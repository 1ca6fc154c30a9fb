// SPDX-License-Identifier: MIT
// identity.h — which data directory an environment belongs to, and as which part.
//
// FORMAT gives the directory a random id; every environment has the same id in its
// record "self", a shard also its number and the number of shards. Directories that
// are older than these records and ids have none: the first start adds them, and
// notes in FORMAT that all parts have them.

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

// The contents of FORMAT.
struct format {
    char name[32];
    unsigned version; // 0: it states none
    bool has_id;
    uint8_t id[DIRECTORY_ID_BYTES];
    bool is_complete; // every environment has its record
    bool has_key;     // the key for idempotency hashes; copies keep it
    uint8_t key[DIRECTORY_KEY_BYTES];
};

// Reads DIR/FORMAT. ERR_NOTFOUND: there is none. ERR_DENIED: it cannot be read.
MUST_CHECK enum err format_read(const char *dir, struct format *out);
// Writes FORMAT, with name and format version of this program.
MUST_CHECK enum err format_write(const char *dir, const struct format *f);
// Generates an id, and a key unless there is one.
void format_make_id(struct format *f);

// The contents of "self". In events and hooks, both numbers are 0.
struct identity {
    uint8_t id[DIRECTORY_ID_BYTES];
    uint64_t shard, n_shards;
};

// Whether this key of the meta database is that of "self".
bool identity_is(MDB_val key);
MUST_CHECK enum err identity_put(struct store *s, MDB_txn *txn,
                                 const struct part *part, const uint8_t *id);

// Checks that the parts belong together: all parts that FORMAT promises exist,
// belong to this directory, and each shard has its own number. `n_shards` is how
// many were found. If nobody writes to the directory (`is_at_rest`), the pages that
// lead to other pages are checked, too. ERR_CONFLICT: they do not belong together,
// and `why` holds a sentence. Parts without an id are accepted in a directory
// without one.
MUST_CHECK enum err identity_check_parts(const struct queue_config *config,
                                         unsigned n_shards, bool is_at_rest,
                                         struct buf *why);

// Adds "self" to the parts that have none, then notes in FORMAT that all have it.
MUST_CHECK enum err identity_complete(const struct queue_config *config);

// For a role that has opened a part for writing. ERR_CONFLICT, logged: it is not
// the right part of this directory.
MUST_CHECK enum err identity_check(const struct queue_config *config,
                                   unsigned i, struct store *s);

#endif
