// SPDX-License-Identifier: MIT
// backlog.h — how much waits for each hook of a shard. Part of queue.h, which is
// what to include outside of queue/.

#ifndef QUEUE_SHARD_BACKLOG_H
#define QUEUE_SHARD_BACKLOG_H

#include "common/base/err.h"
#include "queue/records/backlog_sums.h"

struct shard;

// Counts what waits for each hook, as committed now, off the loop. On OK, `visit`
// runs later on the loop, once for each hook that has waiting deliveries, then
// `done`. If `done` reports an error, the visits were incomplete.
MUST_CHECK enum err shard_backlog_count(struct shard *s, backlog_visit visit,
                                        void (*done)(void *data, enum err err),
                                        void *data);

// The changes by the last commit, hook by hook. Call it within the commit's `done`.
void shard_backlog_moved(const struct shard *s, backlog_visit visit,
                         void *data);

#endif
