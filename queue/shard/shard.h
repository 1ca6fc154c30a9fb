// SPDX-License-Identifier: MIT
// shard.h — the writing end of a shard. Part of queue.h, which is what to include
// outside of queue/.

#ifndef QUEUE_SHARD_SHARD_H
#define QUEUE_SHARD_SHARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/model/event.h"
#include "queue/lmdb/room.h"
#include "queue/records/counts.h"
#include "queue/records/queue_config.h"
#include "queue/records/retention.h"

struct uv_loop_s;

struct shard;
struct shard_batch;

typedef void (*shard_committed)(void *data, enum err err);

// Opens the writing end of shard `k`, which is also for its owner's reads.
MUST_CHECK enum err shard_open(const struct queue_config *config, unsigned k,
                               struct uv_loop_s *loop, struct shard **out);

// Starts the transaction off the loop; `done` runs exactly once, later, on the
// loop. The batch is borrowed until then. One commit at a time: asserts that none
// is under way. ERR_FULL: no room on the disk or in the map, and nothing changed;
// commit the same batch again later. Deleting a row that does not exist is no
// error.
void shard_commit(struct shard *s, const struct shard_batch *c,
                  shard_committed done, void *data);

// The last value of batch_clock() that was committed; 0: none.
int64_t shard_clock_ms(const struct shard *s);
int64_t shard_ran_ms(const struct shard *s);

enum room shard_room(const struct shard *s);

// All events up to this position are matched, as committed.
struct position shard_cursor(const struct shard *s);

// After a change of `n_shards`, a shard's cursor may lie before events that an
// earlier owner of the hook had already matched. True: the earlier owner matched
// this event for this hook; skip it.
bool shard_was_matched(const struct shard *s, uint64_t hook_id,
                       struct position position);

// Rows of the history from this number on are not in the statistics.
uint64_t shard_stats_from(const struct shard *s);

MUST_CHECK enum err shard_counts(struct shard *s, struct shard_counts *out);

MUST_CHECK enum err shard_usage(struct shard *s, uint64_t *n_bytes);

// Starts a trim off the loop, which removes up to `max` attempts that are past
// retention, oldest first, dead letters by their age, and statistics that no window
// reaches; and of an organization that is erased up to `max` rows of any kind. It waits for a running commit, and shard_commit() waits for a running
// trim. `done` runs once, later, on the loop, with whether there is more to remove.
// Does nothing, and returns false, while another trim runs or waits.
typedef void (*shard_trimmed)(void *data, bool has_more);
bool shard_trim(struct shard *s, const struct shard_retention *keep, size_t max,
                shard_trimmed done, void *data);

// The shard that owns a hook.
unsigned queue_shard_of(uint64_t hook_id, unsigned n_shards);

#endif
