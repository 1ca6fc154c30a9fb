// SPDX-License-Identifier: MIT
// environment.h — LMDB, and nothing but LMDB: environments, transactions, errors.
//
// Only this room includes lmdb.h. Environments always use the default sync mode,
// and are never closed (queue.h says why).

#ifndef QUEUE_LMDB_ENVIRONMENT_H
#define QUEUE_LMDB_ENVIRONMENT_H

#include <lmdb.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/str.h"

#define STORE_DBS_MAX 14
#define STORE_NO_DB   ((MDB_dbi)-1)

// Runs before a transaction that changed rows is committed: `changes` are what it did
// (row_change.h). On an error the transaction is aborted, and store_commit() returns it.
// It may put rows itself; they are not among the changes.
typedef enum err (*store_commit_fn)(void *data, MDB_txn *txn,
                                    struct str changes);

// Closed to other rooms.
struct store {
    MDB_env *env;
    MDB_txn
        *reader; // for the loop's thread; reset between uses; NULL: none yet
    bool is_reading; // between store_read() and store_read_end()
    MDB_dbi dbs[STORE_DBS_MAX];
    size_t n_dbs;
    store_commit_fn on_commit; // NULL: changes are not recorded
    void *on_commit_data;
    struct buf changes; // of the write transaction
    char *path;         // owned, for messages
    uint64_t map_bytes;
    const uint8_t *map; // where the file is mapped; NULL: unknown
    size_t page_bytes;
    uint64_t place;        // its place in the checksums of its records
    uint64_t backed_bytes; // room.c: allocated on disk of data.mdb
    size_t turned; // transaction id of the last store_turn(); a writer's
    bool is_read_only;
    struct file_place {
        dev_t device;
        ino_t number;
    } data_file, lock_file;   // as they were opened
    atomic_bool is_displaced; // the last result of store_is_in_place()
    struct store *next;       // list of all in this process, for the upkeep
};

static inline MDB_env *store_env(const struct store *s)
{
    return s->env;
}

// The database of table `db`, as store_open() got its name.
static inline MDB_dbi store_db(const struct store *s, size_t db)
{
    return s->dbs[db];
}

static inline size_t store_n_dbs(const struct store *s)
{
    return s->n_dbs;
}

static inline const char *store_path(const struct store *s)
{
    return s->path; // for messages
}

static inline uint64_t store_map_bytes(const struct store *s)
{
    return s->map_bytes;
}

// Whether the environment has the table: one that was opened for reading lacks the list
// of events if an older version made it, and store_db() is of no use then.
static inline bool store_has_table(const struct store *s, size_t db)
{
    return s->dbs[db] != STORE_NO_DB;
}

// Whether store_read() was called, and store_read_end() not yet.
static inline bool store_is_reading(const struct store *s)
{
    return s->is_reading;
}

// The size of the map of a shard's environment. Quotas stop intake long before an
// event log is full, and deliveries of its events must still find space for their
// history and their moves: in a full map, even deleting is impossible. The map is
// address space, not disk space.
static inline uint64_t store_shard_map(uint64_t max_bytes)
{
    return max_bytes * 4;
}

// Opens the environment in `dir` and its databases by name; a writer creates
// missing databases, and a reader opens a shard without the last one. ERR_NOTFOUND: there is none (reader only).
MUST_CHECK enum err store_open(const char *dir, uint64_t map_bytes,
                               bool read_only, const char *const *names,
                               size_t n_names, struct store **out);

// The first environment that this process has open; the others follow by `next`;
// NULL: none.
struct store *store_first(void);

// Translates an LMDB code; logs unexpected ones. ERR_NOTFOUND, ERR_EXISTS,
// ERR_FULL, ERR_IO.
MUST_CHECK enum err store_err(const struct store *s, int rc, const char *what);

// From the next write transaction on, changes are recorded and handed to `fn`. If it
// succeeds and LMDB's commit then fails, the process ends: the copies have what this
// environment lacks.
void store_on_commit(struct store *s, store_commit_fn fn, void *data);

static inline bool store_is_recording(const struct store *s)
{
    return s->on_commit != NULL;
}

// A read transaction for the loop's thread: between store_read() and
// store_read_end(), nothing else may read this store. Keep it short: values stay
// valid only until the end.
MUST_CHECK enum err store_read(struct store *s, MDB_txn **txn);
void store_read_end(struct store *s);

// A write transaction; one thread at a time. A commit consumes the transaction even
// if it fails; nothing has changed then. ERR_LOST: it was committed into files that
// were removed or replaced before it ended: report it to nobody as stored.
MUST_CHECK enum err store_write(struct store *s, MDB_txn **txn);
MUST_CHECK enum err store_commit(struct store *s, MDB_txn *txn);
// Commits the transaction if `err` is OK; otherwise aborts it, and returns `err`.
MUST_CHECK enum err store_write_end(struct store *s, MDB_txn *txn,
                                    enum err err);

// For use after ERR_FULL. LMDB reuses the pages that a commit frees in the second
// transaction after it. So when one commit frees all the space there is, and each
// later one fails for lack of space, the freed pages would never be used. This
// function commits a record of `dbi` unchanged. True: done, and the failed work may
// be retried once. False: nothing was freed since the last call.
MUST_CHECK bool store_turn(struct store *s, MDB_dbi dbi);

// The place of a record, which its checksum covers: the kind of environment (for a
// shard, also its number), the table and the key. A record that is found elsewhere
// counts as damaged.
uint32_t store_place(const struct store *s, unsigned db, MDB_val key);
// The place of an environment with these tables and this shard number.
uint64_t store_place_of(const char *const *names, uint64_t shard);
uint32_t store_place_in(uint64_t environment, unsigned db, MDB_val key);

// mdb_put() of a record whose place is RECORD_NOWHERE; it gets its place.
int store_put(struct store *s, MDB_txn *txn, unsigned db, MDB_val key,
              struct str record, unsigned flags);

// The largest size of the data file: the map, or the file size limit of the
// process.
uint64_t store_file_limit(const struct store *s);

// Whether the environment's files are still those under its path; callable from any
// thread. A change is logged. Costs two calls of stat(), a few microseconds.
bool store_is_in_place(struct store *s);

// Whether all of a value lies within the file, as every value from a read
// transaction does unless a page is damaged. True also if that cannot be
// determined.
bool store_value_is_mapped(const struct store *s, MDB_val val);

// Whether a value lies where its page number says: pages of large values that were
// exchanged do not. True also if that cannot be determined.
bool store_value_is_in_place(const struct store *s, MDB_val val);

// Finds the first record at `key` or after it: sets both. MDB_CORRUPTED: the record
// found lies before `key`; reading on from it would never end.
MUST_CHECK int store_seek(MDB_cursor *cursor, MDB_val *key, MDB_val *val);
// Finds the record after the one at `key`, which must still exist; results as
// store_seek().
MUST_CHECK int store_next(MDB_cursor *cursor, MDB_val *key, MDB_val *val);

// Bytes in use: the pages of the file except free ones.
MUST_CHECK enum err store_usage(struct store *s, MDB_txn *txn,
                                uint64_t *n_bytes);
// Like store_usage(), as of the last commit, from any thread: uses a transaction of
// its own.
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
