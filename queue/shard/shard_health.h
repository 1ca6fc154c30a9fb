// SPDX-License-Identifier: MIT
// shard_health.h — what is known of hooks, and events of the engine's own, as a
// shard has them. Part of queue.h, which is what to include outside of queue/.

#ifndef QUEUE_SHARD_SHARD_HEALTH_H
#define QUEUE_SHARD_SHARD_HEALTH_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/model/event.h"
#include "queue/records/hook_health.h"

struct shard;
struct shard_view;

// Each hook of which something is known; what is visited is borrowed for the
// call.
typedef void (*health_visit)(void *data, uint64_t hook_id,
                             const struct hook_health *health);
MUST_CHECK enum err shard_health_each(struct shard *s, health_visit visit,
                                      void *data);

// The health of one hook, for any process. ERR_NOTFOUND: nothing is known.
MUST_CHECK enum err shard_view_health(struct shard_view *view, uint64_t hook_id,
                                      health_visit visit, void *data);

// Up to `max` events that are not known to be in the event log, as committed.
// What is visited is borrowed for the call.
MUST_CHECK enum err shard_outbox_read(struct shard *s, size_t max,
                                      event_visit visit, void *data);

#endif
