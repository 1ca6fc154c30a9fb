// SPDX-License-Identifier: MIT
// shard_dead.h — the dead letters of a shard, as its owner reads them, and how many a
// hook has, for any process. Part of queue.h, which is what to include outside of queue/.

#ifndef QUEUE_SHARD_SHARD_DEAD_H
#define QUEUE_SHARD_SHARD_DEAD_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/model/delivery.h"

struct shard;
struct shard_view;

// ERR_NOTFOUND: not a dead letter.
MUST_CHECK enum err shard_dead_get(struct shard *s, uint64_t hook_id,
                                   struct position position,
                                   struct dead_row *out);

// Reads up to `max` dead letters in the order of hooks and events: those of
// `hook_id` after the event at `after`, then those of hooks with greater numbers.
// Of a damaged record only hook and event are known. Committed rows only.
MUST_CHECK enum err shard_dead_read(struct shard *s, uint64_t hook_id,
                                    struct position after,
                                    struct dead_row *rows, size_t max,
                                    size_t *n);

// Counts the dead letters of a hook, up to `max`: the result `max` means that many or
// more.
MUST_CHECK enum err shard_view_dead(struct shard_view *view, uint64_t hook_id,
                                    size_t max, size_t *n);

#endif
