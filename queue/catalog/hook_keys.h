// SPDX-License-Identifier: MIT
// hook_keys.h — the inside of the store of hooks: their keys in the database.

#ifndef QUEUE_CATALOG_HOOK_KEYS_H
#define QUEUE_CATALOG_HOOK_KEYS_H

#include "common/base/codec.h"
#include "queue/catalog/catalog_writer.h"
#include "queue/catalog/hook_store.h"
#include "queue/catalog/stacks_seen.h"
#include "queue/lmdb/environment.h"
#include "queue/records/schema.h"

#define KEY_MAX_BYTES 511 // LMDB's own limit

// What only a writing store has is used by one thread at a time: the loop's while
// it opens the store, then the worker's.
// Closed to other rooms.
struct hook_store {
    struct store *store;
    struct catalog_writer *writer; // owned; NULL: a view
    struct keyring *keys;          // borrowed; NULL: secrets stay sealed
    bool is_denied; // there are no keys, so nothing can be written
    bool has_key;
    uint8_t key[HOOK_KEY_BYTES]; // of the directory
    uint8_t
        tombstones_at[8]; // revision where the next search for old ones begins
    struct share_limit stacks; // how many stack names are kept
    struct stacks_seen seen;
};

// For the rooms that write into the environment of the hooks, too.
static inline struct store *hook_store_env(const struct hook_store *hs)
{
    return hs->store;
}

static inline struct catalog_writer *
hook_store_writer(const struct hook_store *hs)
{
    return hs->writer;
}

static inline bool hook_store_is_denied(const struct hook_store *hs)
{
    return hs->is_denied;
}

static inline struct keyring *hook_store_keys(const struct hook_store *hs)
{
    return hs->keys;
}

// Names of stacks that need no lookup: to be forgotten when such names are removed.
static inline struct stacks_seen *hook_store_seen(struct hook_store *hs)
{
    return &hs->seen;
}

// Append the key part that all hooks of a scope share, and the whole key.
// ERR_INVALID: longer than a key may be.
MUST_CHECK enum err hook_put_scope(const struct hook_scope *scope,
                                   struct buf *key);
MUST_CHECK enum err hook_put_key(const struct hook_scope *scope,
                                 struct str name, struct buf *key);

// Finds the row of this name in a table of the environment. ERR_NOTFOUND.
MUST_CHECK enum err hook_row(struct hook_store *hs, MDB_txn *txn, unsigned db,
                             struct str name, MDB_val *val);

// The row's name for a number: of a hook, or a revision.
static inline struct str hook_number(uint8_t bytes[8], uint64_t n)
{
    put_be64(bytes, n);
    return (struct str){ (const char *)bytes, 8 };
}

// hook_decode() of the record under `key`. ERR_CORRUPT also for a hook that belongs
// under another key.
MUST_CHECK enum err hook_decode_at(uint32_t place, struct str key,
                                   struct str bytes, struct keyring *keys,
                                   struct hook *out, struct hook_room *room);

// hook_decode_at() for the record under `key` in the table of hooks, which also
// sets the organization's number; opens secrets with the keys of the store.
MUST_CHECK enum err hook_read(struct hook_store *hs, MDB_txn *txn, MDB_val key,
                              MDB_val val, struct hook *out,
                              struct hook_room *room);

// Deletes the hook under this key, sound or damaged; readers learn of it. The key must not
// lie in the database. ERR_NOTFOUND.
MUST_CHECK enum err hook_delete_at(struct hook_store *hs, MDB_txn *txn,
                                   struct str key);

// Ensures that new hooks get numbers above `at_least`; `last` is the last number
// before.
MUST_CHECK enum err hooks_raise_last(struct store *s, MDB_txn *txn,
                                     uint64_t at_least, uint64_t *last);
// The numbers of the last hook and the last revision.
MUST_CHECK enum err hooks_put_last(struct store *s, MDB_txn *txn, uint64_t no,
                                   uint64_t revision);

#endif
