// SPDX-License-Identifier: MIT
// shard_stats.h — the statistics of a shard, as any process reads them. Part of
// queue.h, which is what to include outside of queue/.

#ifndef QUEUE_SHARD_SHARD_STATS_H
#define QUEUE_SHARD_SHARD_STATS_H

#include <stdint.h>

#include "common/base/err.h"
#include "queue/records/stats.h"

struct shard_view;

// Sums up an owner (history.h) over a window that ends now and is at least
// `window_s` long; `from_s` (UTC epoch) is its beginning. Windows of up to an hour
// are exact to 5 minutes, longer ones, up to 7 days, to an hour.
MUST_CHECK enum err stats_read(struct shard_view *view, uint64_t owner_no,
                               int64_t now_s, int64_t window_s,
                               struct stats *into, int64_t *from_s);

#endif
