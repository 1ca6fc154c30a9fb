// SPDX-License-Identifier: MIT
// inside.h — the inside of a shard: its two ends, and the operations of a
// transaction. For files in queue/ only.

#ifndef QUEUE_SHARD_INSIDE_H
#define QUEUE_SHARD_INSIDE_H

#include <uv.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "queue/lmdb/environment.h"
#include "queue/lmdb/room.h"
#include "queue/lmdb/row_changes.h"
#include "queue/records/backlog_sums.h"
#include "queue/records/counts.h"
#include "queue/records/retention.h"
#include "queue/records/schema.h"

enum batch_op {
    CHANGE_DUE_PUT = 1,
    CHANGE_DUE_DEL = 2,
    CHANGE_DEAD_PUT = 3,
    CHANGE_DEAD_DEL = 4,
    CHANGE_ATTEMPT = 5, // key: what attempt_place() makes
    CHANGE_HEALTH_PUT = 6,
    CHANGE_HEALTH_DEL = 7,
    CHANGE_OUTBOX_PUT = 8,
    CHANGE_OUTBOX_DEL = 9,
    CHANGE_REPLAY_PUT = 10,
    CHANGE_REPLAY_DEL = 11,
    CHANGE_STATS = 12, // key: owner(8) at_s(8)
    CHANGE_LISTED_PUT = 13,
    CHANGE_LISTED_DEL = 14
};

// Closed to other rooms.
struct shard_batch {
    struct buf ops; // op(1) key length(1) value length(4) key value
    size_t n;
    bool has_cursor;
    bool are_stats_noted;
    struct position cursor;
    int64_t clock_ms, ran_ms; // 0: unchanged
    int64_t counts[COUNTS];
    struct buf record; // scratch
};

struct batch_step {
    enum batch_op op;
    struct str key;
    struct str value;
};

// shard_batch.c: returns the next operation from offset `at` on; false at the end.
bool batch_next(const struct shard_batch *c, size_t *at,
                struct batch_step *out);

// Closed to other rooms.
struct shard_view {
    struct store *store;
    MDB_txn *txn;                      // while a scan visits
    struct payload_keys *payload_keys; // borrowed; may be NULL
    struct buf plain;                  // of the attempt that was read last
};

// Closed to other rooms.
struct shard {
    struct store *store;
    uv_loop_t *loop;
    struct shard_state state; // as committed; the loop's
    bool is_committing;
    bool is_trimming;
    bool is_trim_wanted; // start one when the commit is done
    enum room room;      // the result of shard_room()

    uv_work_t work;
    const struct shard_batch *change; // borrowed, while committing
    void (*done)(void *data, enum err err);
    void *data;
    struct shard_state fresh;  // `state` after the worker's transaction
    struct backlog_sums moved; // backlog changes by the commit
    enum err work_err;
    enum room work_room;

    struct shard_retention keep; // of the trim
    size_t trim_max;
    bool has_more_to_trim;
    bool has_erased; // the trim worked on an erasure
    bool
        has_trimmed_org; // it removed attempts of one with a retention of its own
    size_t trim_org;     // the one that the next step begins with
    void (*trimmed)(void *data, bool has_more);
    void *trim_data;
    uint8_t trim_dead_key
        [DEAD_KEY_BYTES]; // where the next scan of dead letters begins
    struct erasing {
        struct id id;   // of the erasure that is worked on
        unsigned stage; // shard_retention.c
        struct buf
            at; // where the next step begins; empty: at the stage's beginning
    } erasing;
};

// shard.c: puts one row of the history and its index rows, under the next number.
// `place` is made by attempt_place().
MUST_CHECK enum err shard_put_attempt(struct store *s, MDB_txn *txn,
                                      struct shard_state *state,
                                      struct str place, struct str record);

// shard_stats.c; runs in the worker.
MUST_CHECK enum err shard_add_stats(struct store *s, MDB_txn *txn,
                                    struct str key, struct str record);
// Like shard_add_stats(), for one window, by its key.
MUST_CHECK enum err shard_merge_stats(struct store *s, MDB_txn *txn,
                                      MDB_val key, struct str record);
// Removes up to `max` sums that no window reaches any more.
MUST_CHECK enum err shard_trim_stats(struct store *s, MDB_txn *txn,
                                     int64_t now_s, size_t max,
                                     size_t *n_removed);

// shard_dead.c; run in the worker. Remove some of the dead letters that are past retention,
// and the one that an attempt left, if it was one before `before_us` and has not become one
// again since.
struct needed;
MUST_CHECK enum err shard_trim_dead(struct shard *s, MDB_txn *txn);
MUST_CHECK enum err shard_expire_dead(struct shard *s, MDB_txn *txn,
                                      struct needed *needed,
                                      const struct attempt *a,
                                      int64_t before_us);

// shard_retention.c; runs in the worker.
MUST_CHECK enum err shard_trim_rows(struct shard *s);

#endif
