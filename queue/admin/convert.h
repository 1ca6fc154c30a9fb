// SPDX-License-Identifier: MIT
// convert.h — converts records of format 4, one by one, to this format.
//
// What format 5 changed: organizations have numbers from a table instead of hashes
// of their names; ids and idempotency keys are hashed with a key; a record's
// checksum covers its place. A reader of format 4 (a start, or repair) passes each
// record to migration_convert() on its way into a new environment: events first,
// then hooks, then shards.

#ifndef QUEUE_ADMIN_CONVERT_H
#define QUEUE_ADMIN_CONVERT_H

#include <stdint.h>

#include "common/base/err.h"
#include "queue/admin/copy_to.h"
#include "queue/event_rows/idempotency.h"

struct migration;

struct migration *migration_new(const struct event_hasher *hasher);
void migration_free(struct migration *m); // NULL is fine

// Learns names of organizations from a row without a checksum.
MUST_CHECK enum err migration_note_row(struct migration *m, struct copy_to *to,
                                       const struct copy_record *r);
// Converts a sound record of format 4, which `to->plain` holds, to this format; its
// key may change, too.
MUST_CHECK enum err migration_convert(struct migration *m, struct copy_to *to,
                                      struct copy_record *r);
// Call before shards are converted, when the environments of events and hooks are
// complete. Organizations without a number get one there.
MUST_CHECK enum err migration_begin_shards(struct migration *m,
                                           struct copy_to *events,
                                           struct copy_to *hooks,
                                           int64_t now_us);
MUST_CHECK enum err migration_finish(struct migration *m);

#endif
