// SPDX-License-Identifier: MIT
// environment.h — LMDB, and nothing but LMDB: environments, transactions, errors.
//
// The only file that includes lmdb.h. Default sync mode, always. Environments
// are never closed (queue.h says why).

#ifndef QUEUE_LMDB_ENVIRONMENT_H
#define QUEUE_LMDB_ENVIRONMENT_H

#include <lmdb.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/err.h"
#include "common/base/str.h"

#define STORE_DBS_MAX 14

struct store {
    MDB_env *env;
    MDB_txn *reader; // of the loop's thread; reset between uses; NULL: none yet
    bool is_reading; // between store_read() and store_read_end()
    MDB_dbi dbs[STORE_DBS_MAX];
    char *path; // owned, for messages
    uint64_t map_bytes;
    const uint8_t *map; // where the file is mapped; NULL: unknown
    size_t page_bytes;
    uint64_t place; // of the environment, in the checksums of its records
    uint64_t backed_bytes; // room.c: of data.mdb, so many have their place
    size_t turned; // the transaction of the last store_turn(); a writer's
    bool is_read_only;
    struct file_place {
        dev_t device;
        ino_t number;
    } data_file, lock_file;   // as they were opened
    atomic_bool is_displaced; // store_is_in_place() said so last
    struct store *next;       // all of this process, for the upkeep
};

// The map of an environment of deliveries. Quotas stop the intake long before
// an event log is full, and what is in it must still find room for its history
// and its moves: a full map could not even delete. It is address space, not
// disk.
static inline uint64_t store_shard_map(uint64_t max_bytes)
{
    return max_bytes * 4;
}

// Opens the environment in `dir` and its databases by name; a writer makes
// those that are missing. ERR_NOTFOUND: there is none (reader only).
MUST_CHECK enum err store_open(const char *dir, uint64_t map_bytes,
                               bool read_only, const char *const *names,
                               size_t n_names, struct store **out);

// The environments that this process has open, by `next`; NULL: none.
struct store *store_first(void);

// What an LMDB code means to us; logs what is not expected.
// ERR_NOTFOUND, ERR_EXISTS, ERR_FULL, ERR_IO.
MUST_CHECK enum err store_err(const struct store *s, int rc, const char *what);

// A read transaction for the loop's thread: between the two, nothing else may
// read this store. Short: what is read stays valid until the end only.
MUST_CHECK enum err store_read(struct store *s, MDB_txn **txn);
void store_read_end(struct store *s);

// A write transaction; any one thread at a time. Commit consumes it also when
// it fails; then nothing has changed. ERR_LOST: it is committed, into files that
// were removed or replaced before it ended: nobody may be told that it is stored.
MUST_CHECK enum err store_write(struct store *s, MDB_txn **txn);
MUST_CHECK enum err store_commit(struct store *s, MDB_txn *txn);

// After ERR_FULL: LMDB gives the pages that a commit frees to the second transaction
// after it, so when one commit frees all there is and each later one fails for want of
// room, none of them is ever used. This commits a record of `dbi` as it is. True: done,
// and what failed may be tried once more. False: nothing was freed since the last time.
MUST_CHECK bool store_turn(struct store *s, MDB_dbi dbi);

// Where a record lies, as its checksum says it: the environment by what it is (of a
// shard, by its number), the table, the key. A record of anywhere else is damaged.
uint32_t store_place(const struct store *s, unsigned db, MDB_val key);
// The same for an environment of these tables and this shard's number.
uint64_t store_place_of(const char *const *names, uint64_t shard);
uint32_t store_place_in(uint64_t environment, unsigned db, MDB_val key);

// mdb_put() of a record that is nowhere yet, into its place.
int store_put(struct store *s, MDB_txn *txn, unsigned db, MDB_val key,
              struct str record, unsigned flags);

// How long the data file may get: the map, or what the process may write.
uint64_t store_file_limit(const struct store *s);

// Whether the environment's files are still the ones under its path; from any
// thread. A change is logged. Two calls of stat(), a few microseconds.
bool store_is_in_place(struct store *s);

// Whether all of a value lies in the file, as what a read transaction gives does
// unless a page is damaged. True also where that cannot be told.
bool store_value_is_mapped(const struct store *s, MDB_val val);

// Whether a value lies where its page says that it is: pages of large values that
// are in each other's places do not. True also where that cannot be told.
bool store_value_is_in_place(const struct store *s, MDB_val val);

// The first record at `key` or after it: sets both. MDB_CORRUPTED: what is found
// lies before it, so that whoever reads on from there would go round for ever.
MUST_CHECK int store_seek(MDB_cursor *cursor, MDB_val *key, MDB_val *val);
// The record after the one at `key`, likewise. The record must still be there.
MUST_CHECK int store_next(MDB_cursor *cursor, MDB_val *key, MDB_val *val);

// Bytes in use: the file's pages less the free ones.
MUST_CHECK enum err store_usage(struct store *s, MDB_txn *txn,
                                uint64_t *n_bytes);
// The same as committed last, from any thread: with a transaction of its own.
MUST_CHECK enum err store_usage_now(struct store *s, uint64_t *n_bytes);

static inline MDB_val val_of(struct str s)
{
    // LMDB does not write through the values it is given.
    // NOLINTNEXTLINE(performance-no-int-to-ptr): takes the const away
    return (MDB_val){ s.n_bytes, (void *)(uintptr_t)s.at };
}

static inline MDB_val val_at(const void *at, size_t n_bytes)
{
    // NOLINTNEXTLINE(performance-no-int-to-ptr): takes the const away
    return (MDB_val){ n_bytes, (void *)(uintptr_t)at };
}

static inline struct str str_of_val(MDB_val v)
{
    return (struct str){ v.mv_data, v.mv_size };
}

#endif
