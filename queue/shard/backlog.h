// SPDX-License-Identifier: MIT
// backlog.h — what waits for each hook of a shard. Part of queue.h, which is what to
// include outside of queue/.

#ifndef QUEUE_SHARD_BACKLOG_H
#define QUEUE_SHARD_BACKLOG_H

#include "common/base/err.h"
#include "queue/records/backlog_sums.h"

struct shard;

// Counts what waits for each hook, as committed now, off the loop. On OK `visit`
// runs later, on the loop, once for each hook that has any, then `done`. If it
// failed, what was visited is not all.
MUST_CHECK enum err shard_backlog_count(struct shard *s, backlog_visit visit,
                                        void (*done)(void *data, enum err err),
                                        void *data);

// What the last commit added to that, hook by hook: within its `done`.
void shard_backlog_moved(const struct shard *s, backlog_visit visit,
                         void *data);

#endif
