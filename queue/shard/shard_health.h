// SPDX-License-Identifier: MIT
// shard_health.h — a shard's records of hook health, and its outbox of the engine's
// own events. Part of queue.h, which is what to include outside of queue/.

#ifndef QUEUE_SHARD_SHARD_HEALTH_H
#define QUEUE_SHARD_SHARD_HEALTH_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/model/event.h"
#include "queue/records/hook_health.h"

struct shard;
struct shard_view;

// Visits each hook that has a health record; the record is borrowed for the call.
typedef void (*health_visit)(void *data, uint64_t hook_id,
                             const struct hook_health *health);
MUST_CHECK enum err shard_health_each(struct shard *s, health_visit visit,
                                      void *data);

// Reads the health of one hook, for any process. ERR_NOTFOUND: there is no record.
MUST_CHECK enum err shard_view_health(struct shard_view *view, uint64_t hook_id,
                                      health_visit visit, void *data);

// Visits up to `max` events that are not known to be in the event log, as
// committed. The event is borrowed for the call.
MUST_CHECK enum err shard_outbox_read(struct shard *s, size_t max,
                                      event_visit visit, void *data);

#endif
