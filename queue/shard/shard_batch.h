// SPDX-License-Identifier: MIT
// shard_batch.h — a shard's transaction as a plain value. Part of queue.h, which is
// what to include outside of queue/.

#ifndef QUEUE_SHARD_SHARD_BATCH_H
#define QUEUE_SHARD_SHARD_BATCH_H

#include <stddef.h>
#include <stdint.h>

#include "common/encoding/id.h"
#include "common/model/delivery.h"
#include "common/model/event.h"
#include "common/model/replay.h"
#include "queue/listing/listed_event.h"
#include "queue/records/counts.h"
#include "queue/records/hook_health.h"
#include "queue/records/stats.h"

// The operations of one transaction, in the order in which they were added: a plain
// value, which could be written to a log unchanged.
struct shard_batch;

struct shard_batch *shard_batch_new(void);
void shard_batch_free(struct shard_batch *c); // NULL is fine

// Empties it for reuse.
void shard_batch_reset(struct shard_batch *c);

// Everything up to and including `position` has been matched.
void batch_cursor(struct shard_batch *c, struct position position);
// Sets the clock of the due times (UTC epoch), and how long dispatchers of the
// shard have run in all. It is written with the next commit, and needs no commit of
// its own.
void batch_clock(struct shard_batch *c, int64_t clock_ms, int64_t ran_ms);
void batch_due_put(struct shard_batch *c, const struct due_row *row);
void batch_due_del(struct shard_batch *c, const struct due_row *row);
void batch_dead_put(struct shard_batch *c, const struct dead_row *row);
// If retention has removed the dead letter meanwhile, it no longer counts as
// expired.
void batch_dead_del(struct shard_batch *c, uint64_t hook_id,
                    struct position position);
void batch_attempt(struct shard_batch *c, const struct attempt *attempt);
void batch_count(struct shard_batch *c, enum count count, int64_t delta);

// If `health` is empty, the row is deleted.
void batch_health(struct shard_batch *c, uint64_t hook_id,
                  const struct hook_health *health);
// Adds an event of the engine's own. It stays in the outbox, under its own id,
// until it is in the event log.
void batch_outbox_put(struct shard_batch *c, const struct event *event);
void batch_outbox_del(struct shard_batch *c, const struct id *id);

void batch_replay_put(struct shard_batch *c, const struct replay *replay);
void batch_replay_del(struct shard_batch *c, const struct replay *replay);

// Adds a row to the list of events: the events are noted once more if they are there.
void batch_listed_put(struct shard_batch *c, const struct listed_row *row);
// Deletes the row of an organization and block.
void batch_listed_del(struct shard_batch *c, enum dialect dialect,
                      struct str org, uint64_t block);

// Adds to the statistics of an owner (history.h) at this time (UTC epoch).
void batch_stats(struct shard_batch *c, uint64_t owner_no, int64_t at_s,
                 const struct stats *stats);
// All attempts up to and including this batch are in the statistics.
void batch_stats_noted(struct shard_batch *c);

size_t batch_n(const struct shard_batch *c); // number of operations
size_t batch_bytes(const struct shard_batch *c);

#endif
