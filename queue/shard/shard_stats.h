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

// The slots of a window, for charts: the first begins at `first_s` (UTC epoch), and the
// next ones `slot_s` after each other, until `now_s`. Slots are as exact as windows of
// stats_read().
void stats_slots(int64_t now_s, int64_t window_s, int64_t *first_s,
                 int64_t *slot_s);

// Adds to `into` what an owner did in one slot of stats_slots(), which begins at `at_s`
// and is `slot_s` long.
MUST_CHECK enum err stats_read_slot(struct shard_view *view, uint64_t owner_no,
                                    int64_t at_s, int64_t slot_s,
                                    struct stats *into);

#endif
