// SPDX-License-Identifier: MIT
// lmdb_space.h — the environment of a journal: its tables, transactions, and the wait for
// what other threads and processes change.
//
// A record is msgpack with a version and a checksum (codec.h), which covers table and key.
//
//   entries  chain(4) seq(8)  -> id(16), bytes
//   values   key              -> revision, whether it is deleted, bytes
//   leases   name             -> holder, the term when it was taken, the last term, end in ms
//                                by the clock, id of the boot of the clock
//   meta     "format"         -> 1
//            "number"         -> the last revision or term
//            "trim" chain(4)  -> the highest sequence number that was removed

#ifndef QUEUE_JOURNAL_LMDB_SPACE_H
#define QUEUE_JOURNAL_LMDB_SPACE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/codec.h"
#include "queue/journal/journal.h"
#include "queue/journal/lmdb_clock.h"
#include "queue/lmdb/environment.h"

enum lmdb_table {
    LMDB_ENTRIES,
    LMDB_VALUES,
    LMDB_LEASES,
    LMDB_META,
    LMDB_TABLES
};

// One directory, for all handles of this process; it stays open.
struct lmdb_space {
    struct store *store;
    int dir_fd;
    pthread_mutex_t writing; // held from a transaction's begin to its end
    pthread_mutex_t lock;    // of what follows
    pthread_cond_t changed; // this process committed something; CLOCK_MONOTONIC
    struct lmdb_space *next;
};

struct lmdb_server;

struct lmdb_handle {
    struct journal base;
    struct lmdb_space *space;
    struct journal_lmdb_clock clock;
    pthread_mutex_t lock; // of the list
    struct lmdb_server *servers;
};

static inline struct lmdb_handle *lmdb_handle_of(struct journal *j)
{
    return (struct lmdb_handle *)(void *)j;
}

// Finds or opens the space in `dir`. ERR_INVALID: it is no
// directory, or a journal of another version. ERR_CORRUPT, ERR_FULL, ERR_IO.
MUST_CHECK enum err lmdb_space_open(const char *dir, uint64_t map_bytes,
                                    struct buf *why, struct lmdb_space **out);

// What is done in a write transaction, which is committed if it returns OK. It may run a
// second time after the first one failed for lack of room.
typedef enum err (*lmdb_work_fn)(struct lmdb_space *s, MDB_txn *txn,
                                 void *data);

// Does it; what OK says is on disk then. Otherwise nothing has changed, but for ERR_AGAIN,
// when the files were replaced meanwhile.
MUST_CHECK enum err lmdb_write(struct lmdb_space *s, lmdb_work_fn work,
                               void *data);

// A read transaction of its own for each call; mdb_txn_abort() ends it.
MUST_CHECK enum err lmdb_read(struct lmdb_space *s, MDB_txn **txn);

// The record at the key, opened: `u` reads its values while the transaction lasts.
// ERR_NOTFOUND; ERR_CORRUPT.
MUST_CHECK enum err lmdb_get(struct lmdb_space *s, MDB_txn *txn,
                             enum lmdb_table table, struct str key,
                             struct unpack *u);
// The same for a record that a cursor found.
MUST_CHECK enum err lmdb_open_record(struct lmdb_space *s,
                                     enum lmdb_table table, MDB_val key,
                                     MDB_val val, struct unpack *u);

// Stores a record, which record_begin() began at the start of `record`. ERR_FULL: what is
// left of the map is for removals, unless `is_needed`, or the disk is full.
MUST_CHECK enum err lmdb_put(struct lmdb_space *s, MDB_txn *txn,
                             enum lmdb_table table, struct str key,
                             struct buf *record, bool is_needed);

// The next revision or term.
MUST_CHECK enum err lmdb_next_number(struct lmdb_space *s, MDB_txn *txn,
                                     uint64_t *number);

// Waiting for a change: look, set `seen`, and look again while lmdb_wait() is true.
struct lmdb_patience {
    int64_t until_us; // by the monotonic clock
    size_t seen;      // mdb_txn_id() of the transaction that looked
    size_t announced; // the last one for which it was said to look again
    int64_t pause_ms;
};

struct lmdb_patience lmdb_patience_of(int64_t wait_ms);
// Waits until something is committed by any process. False: the time is over.
bool lmdb_wait(struct lmdb_space *s, struct lmdb_patience *p);

#endif
