// SPDX-License-Identifier: MIT
// org_quota.h — whether the backlog of an organization leaves room for more.
//
// One organization's backlog, for hooks that are paused or whose receivers are down,
// must not stop the others: its own events are refused before the queue is full. The
// dispatchers report what waits once a second, so the figures are up to a second old.

#ifndef ENGINE_INGEST_ORG_QUOTA_H
#define ENGINE_INGEST_ORG_QUOTA_H

#include <stdbool.h>
#include <stdint.h>

#include "common/config/config.h"
#include "common/messages/backlog.h"
#include "queue/queue.h"

// Closed to other rooms.
struct org_quota {
    struct backlog_table *table; // owned
    struct hook_store *hooks;    // for the names of hooks and organizations
    uint64_t log_bytes;          // of all events
    uint64_t fullest_no;         // number of an organization; 0: nothing waits
    uint64_t waiting_bytes;      // of all organizations
    uint64_t logged_no;          // the organization that was logged last
    int64_t logged_at_us;
    struct buf last_org; // the organization that was looked up last
    enum dialect last_dialect;
    uint64_t last_no; // its number; 0: it had none
};

// ERR_IO: the hooks cannot be opened.
MUST_CHECK enum err org_quota_init(struct org_quota *q,
                                   const struct queue_config *config);

// Finds the organizations that are full. To be called every second, and when the
// settings have changed.
void org_quota_refresh(struct org_quota *q, const struct config *config,
                       uint64_t log_bytes);

// False: the organization's backlog fills its quota. `why` gets a sentence with the
// organization, and the hooks for which most of the backlog waits.
bool org_quota_admits(struct org_quota *q, const struct config *config,
                      enum dialect dialect, struct str org, struct buf *why);

// The whole queue is full, with `used_bytes`. Appends a clause to `why` that tells this
// organization whether its own backlog or that of others fills the queue. Others are
// not named.
void org_quota_put_share(struct org_quota *q, uint64_t used_bytes,
                         enum dialect dialect, struct str org, struct buf *why);

// The organization's number; 0: it has none. The last result is remembered.
uint64_t org_quota_number(struct org_quota *q, enum dialect dialect,
                          struct str org);

// Appends the fullest organization and its hooks with the largest backlogs, for the
// log.
void org_quota_put_fullest(const struct org_quota *q, struct buf *out);

#endif
