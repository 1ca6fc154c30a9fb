// SPDX-License-Identifier: MIT
// quota.h — whether there is room for more events.
//
// Intake stops at 80 % of max_queue_bytes, at 80 % of the disk, or when the
// disk has little left; the rest is for history and for rewriting what is stored.

#ifndef ENGINE_INGEST_QUOTA_H
#define ENGINE_INGEST_QUOTA_H

#include <stdbool.h>
#include <stddef.h>

#include "common/config/config.h"
#include "queue/queue.h"

// Closed to other rooms.
struct quota {
    bool is_full;
    bool is_disk_full;       // is_full because of the disk, not the setting
    size_t n_appended_bytes; // since the last check
    uint64_t log_bytes;      // of the event log, at the last check
    uint64_t used_bytes;     // of log and shards, at the last check
};

// Checks again, by the bytes in use of the event log and, as the dispatchers last
// reported, of the shards. Logs when the result changes.
void quota_refresh(struct quota *q, const struct config *config,
                   struct event_log *log);

// Counts what is about to be appended; checks again after some MiB.
void quota_add(struct quota *q, const struct config *config,
               struct event_log *log, size_t n_bytes);

#endif
