// shard.h — the inside of a shard's writing end.

#ifndef QUEUE_SHARD_H
#define QUEUE_SHARD_H

#include <uv.h>

#include "queue/change.h"
#include "queue/queue.h"
#include "queue/schema.h"
#include "queue/store.h"

struct shard {
    struct store *store;
    uv_loop_t *loop;
    struct shard_state state; // as committed; the loop's
    bool is_committing;
    bool is_trimming;
    bool is_trim_wanted; // when the commit is done

    uv_work_t work;
    const struct shard_change *change; // borrowed, while committing
    shard_committed done;
    void *data;
    struct shard_state fresh; // what the worker's transaction makes of state
    enum err work_err;

    int64_t trim_delivered_us, trim_others_us;
    size_t trim_max;
    uint8_t trim_dead_key[DEAD_KEY_BYTES]; // where the next look at dead begins
};

// ERR_NOTFOUND: a new shard, nothing was committed.
MUST_CHECK enum err shard_read_state(struct store *s, MDB_txn *txn,
                                     struct shard_state *out);
MUST_CHECK enum err shard_put_state(struct store *s, MDB_txn *txn,
                                    const struct shard_state *state);
MUST_CHECK enum err shard_read_counts(struct store *s, MDB_txn *txn,
                                      const struct shard_state *state,
                                      struct shard_counts *out);
// One row of the history and its rows in the indexes, under the next number.
// `place` is what attempt_place() makes.
MUST_CHECK enum err shard_put_attempt(struct store *s, MDB_txn *txn,
                                      struct shard_state *state,
                                      struct str place, struct str record);
void shard_start_work(struct shard *s);

// shard_trim.c; in the worker.
MUST_CHECK enum err shard_trim_rows(struct shard *s);

#endif
