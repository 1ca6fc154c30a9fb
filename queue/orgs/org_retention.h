// SPDX-License-Identifier: MIT
// org_retention.h — how long an organization's history, dead letters and events are kept,
// as a value of it (ORG_RETENTION, without a name). Part of queue.h.

#ifndef QUEUE_ORGS_ORG_RETENTION_H
#define QUEUE_ORGS_ORG_RETENTION_H

#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/str.h"
#include "queue/catalog/hook_store.h"

// 0: as the settings say.
struct org_retention {
    int64_t delivered_ms; // attempts that left their delivery delivered
    int64_t dead_ms;      // others, and dead letters; events for the longer one
    // Events that were accepted before may have been delivered without a trace in the
    // history: a shorter retention applied before. 0: none did.
    int64_t forgotten_until_ms;
};

// What applies: an organization keeps nothing for longer than the settings say.
static inline int64_t org_retention_applies(int64_t own_ms, int64_t setting_ms)
{
    return own_ms > 0 && own_ms < setting_ms ? own_ms : setting_ms;
}

// Appends the value's bytes.
void org_retention_put(const struct org_retention *r, struct buf *out);
// ERR_CORRUPT: these are not the bytes of one.
MUST_CHECK enum err org_retention_read(struct str bytes,
                                       struct org_retention *out);
// That of an organization. ERR_NOTFOUND: it has none of its own. ERR_CORRUPT: it is damaged.
MUST_CHECK enum err org_retention_get(struct hook_store *hs, uint64_t org_no,
                                      struct org_retention *out);

#endif
