// SPDX-License-Identifier: MIT
// org_quota.h — whether what waits for an organization leaves room for more.
//
// One organization's backlog, of hooks that are paused or whose receivers are
// away, must not stop the others: its own events are refused before the queue is
// full. What waits is told by the dispatchers, and is late by a second.

#ifndef ENGINE_INGEST_ORG_QUOTA_H
#define ENGINE_INGEST_ORG_QUOTA_H

#include <stdbool.h>
#include <stdint.h>

#include "common/config/config.h"
#include "common/messages/backlog.h"
#include "queue/queue.h"

struct org_quota {
    struct backlog_table *table; // owned
    struct hook_store *hooks;    // for their names
    uint64_t log_bytes;          // of all events
    uint64_t fullest_no;         // organization; 0: none waits
    uint64_t waiting_bytes;      // of all organizations
    uint64_t logged_no;          // the one that was logged last
    int64_t logged_at_us;
    struct buf last_org; // that was looked up, and its number; 0: it had none
    enum family last_family;
    uint64_t last_no;
};

// ERR_IO: the hooks cannot be opened.
MUST_CHECK enum err org_quota_init(struct org_quota *q,
                                   const struct queue_config *config);

// Every second, or when the settings have changed: who is full.
void org_quota_look(struct org_quota *q, const struct config *config,
                    uint64_t log_bytes);

// False: what waits for it fills its quota. `why` gets a sentence with the
// organization, and the hooks for which most of it waits.
bool org_quota_admits(struct org_quota *q, const struct config *config,
                      enum family family, struct str org, struct buf *why);

// The queue as a whole is full of `used_bytes`: a clause for `why` that says
// whose backlog that is, to this organization. Others are not named.
void org_quota_put_share(struct org_quota *q, uint64_t used_bytes,
                         enum family family, struct str org, struct buf *why);

// The organization's number, 0 if it has none. The last one is remembered.
uint64_t org_quota_number(struct org_quota *q, enum family family,
                          struct str org);

// "acme", and its fullest hooks, for the log.
void org_quota_put_fullest(const struct org_quota *q, struct buf *out);

#endif
