// SPDX-License-Identifier: MIT
// convert.h — records of format 4, one by one, become those of this format.
//
// What format 5 changed: organizations have numbers of the table instead of hashes
// of their names; ids and idempotency keys are hashed with a key; a record's checksum
// covers where it lies. Whoever reads records of format 4 (a start, or repair) gives
// each to migration_convert() on its way into a new environment: events first, then
// hooks, then shards.

#ifndef QUEUE_ADMIN_CONVERT_H
#define QUEUE_ADMIN_CONVERT_H

#include <stdint.h>

#include "common/base/err.h"
#include "queue/admin/copy_to.h"
#include "queue/event_log/idempotency.h"

struct migration;

struct migration *migration_new(const struct event_hasher *hasher);
void migration_free(struct migration *m); // NULL is fine

// A row without a checksum: names of organizations are learned from it.
MUST_CHECK enum err migration_note_row(struct migration *m, struct copy_to *to,
                                       const struct copy_record *r);
// A sound record of format 4, which `to->plain` holds: becomes one of this format;
// its key may become another one.
MUST_CHECK enum err migration_convert(struct migration *m, struct copy_to *to,
                                      struct copy_record *r);
// From here on come shards; the environments of events and hooks are complete, and
// numbers that are still missing are handed out there.
MUST_CHECK enum err migration_begin_shards(struct migration *m,
                                           struct copy_to *events,
                                           struct copy_to *hooks,
                                           int64_t now_us);
MUST_CHECK enum err migration_finish(struct migration *m);

#endif
