// shard.h — the inside of a shard's writing end.

#ifndef QUEUE_SHARD_SHARD_H
#define QUEUE_SHARD_SHARD_H

#include <uv.h>

#include "queue/lmdb/environment.h"
#include "queue/queue.h"
#include "queue/records/schema.h"
#include "queue/shard/payload_refs.h"
#include "queue/shard/shard_batch.h"

struct shard_view {
    struct store *store;
    MDB_txn *txn; // while a scan visits
};

struct shard {
    struct store *store;
    uv_loop_t *loop;
    struct shard_state state; // as committed; the loop's
    bool is_committing;
    bool is_trimming;
    bool is_trim_wanted; // when the commit is done
    enum room room;      // as shard_room() says

    uv_work_t work;
    const struct shard_change *change; // borrowed, while committing
    shard_committed done;
    void *data;
    struct shard_state fresh;  // what the worker's transaction makes of state
    struct backlog_sums moved; // by the commit
    enum err work_err;
    enum room work_room;

    struct shard_retention keep; // of the trim, as the next
    size_t trim_max;
    bool has_more_to_trim;
    shard_trimmed trimmed;
    void *trim_data;
    uint8_t trim_dead_key[DEAD_KEY_BYTES]; // where the next look at dead begins
};

// ERR_NOTFOUND: a new shard, nothing was committed.
MUST_CHECK enum err shard_read_state(struct store *s, MDB_txn *txn,
                                     struct shard_state *out);
MUST_CHECK enum err shard_put_state(struct store *s, MDB_txn *txn,
                                    const struct shard_state *state);
// shard_repair.c: in the place of one that is damaged.
MUST_CHECK enum err shard_guess_state(struct store *s, MDB_txn *txn,
                                      struct shard_state *out);
MUST_CHECK enum err shard_read_counts(struct store *s, MDB_txn *txn,
                                      const struct shard_state *state,
                                      struct shard_counts *out);
// One row of the history and its rows in the indexes, under the next number.
// `place` is what attempt_place() makes.
MUST_CHECK enum err shard_put_attempt(struct store *s, MDB_txn *txn,
                                      struct shard_state *state,
                                      struct str place, struct str record);
void shard_start_work(struct shard *s);

// shard_stats.c; in the worker.
MUST_CHECK enum err shard_add_stats(struct store *s, MDB_txn *txn,
                                    struct str key, struct str record);
// The same of one slot, by its key.
MUST_CHECK enum err shard_merge_stats(struct store *s, MDB_txn *txn,
                                      MDB_val key, struct str record);
// Removes up to `max` of what no window reaches any more.
MUST_CHECK enum err shard_trim_stats(struct store *s, MDB_txn *txn,
                                     int64_t now_s, size_t max,
                                     size_t *n_removed);

// shard_retention.c; in the worker.
MUST_CHECK enum err shard_trim_rows(struct shard *s);

#endif
