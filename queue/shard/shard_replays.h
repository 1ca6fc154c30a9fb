// SPDX-License-Identifier: MIT
// shard_replays.h — the replays of a shard, as any process reads them. Part of queue.h,
// which is what to include outside of queue/.

#ifndef QUEUE_SHARD_SHARD_REPLAYS_H
#define QUEUE_SHARD_SHARD_REPLAYS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/encoding/id.h"
#include "common/model/replay.h"

struct shard_view;

// The replay is borrowed for the call. Return false to end the scan.
typedef bool (*replay_visit)(void *data, const struct replay *replay);

// Visits the replays of a shard, by id; or only those with `id` (NULL: all).
MUST_CHECK enum err replays_each(struct shard_view *view, const struct id *id,
                                 replay_visit visit, void *data);

// Visits the replays of a shard that come after this one, which need not exist any
// more (NULL: all).
struct replay_place {
    struct id id;
    uint64_t hook_id;
};
MUST_CHECK enum err replays_after(struct shard_view *view,
                                  const struct replay_place *after,
                                  replay_visit visit, void *data);

#endif
