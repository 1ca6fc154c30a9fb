// shard_batch.h — the inside of a shard's transaction, as a plain value.

#ifndef QUEUE_SHARD_SHARD_BATCH_H
#define QUEUE_SHARD_SHARD_BATCH_H

#include "queue/queue.h"
#include "queue/records/schema.h"

enum change_op {
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
    CHANGE_STATS = 12 // key: owner(8) at_s(8)
};

struct shard_change {
    struct buf ops; // op(1) key length(1) value length(4) key value
    size_t n;
    bool has_cursor;
    bool are_stats_noted;
    struct position cursor;
    int64_t clock_ms, ran_ms; // 0: as they are
    int64_t counts[COUNTS];
    struct buf record; // scratch
};

struct change_step {
    enum change_op op;
    struct str key;
    struct str value;
};

// The next step from `at` on; false at the end.
bool change_next(const struct shard_change *c, size_t *at,
                 struct change_step *out);

#endif
