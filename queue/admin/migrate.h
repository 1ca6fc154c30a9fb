// migrate.h — a data directory of format 4 becomes one of this format.
//
// What format 5 changed: organizations have numbers of the table instead of hashes
// of their names; ids and idempotency keys are hashed with a key; a record's checksum
// covers where it lies. Whoever reads records of format 4 (a start, or repair) gives
// each to migration_convert() on its way into a new environment: events first, then
// hooks, then shards.

#ifndef QUEUE_ADMIN_MIGRATE_H
#define QUEUE_ADMIN_MIGRATE_H

#include "queue/admin/copy_to.h"
#include "queue/event_log/idempotency.h"

#define FORMAT_BEFORE QUEUE_FORMAT_OLDEST

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

// A start: builds DIR/format5 of what DIR holds, synced, and says so in FORMAT, which
// is the moment from which on the directory has the new format. Until then what was
// there is as it was, and a start that was killed begins anew. In a process of its
// own. On an error `why` holds a sentence.
MUST_CHECK enum err migrate(const struct queue_config *config, struct buf *why);
// Puts what migrate() built in its place, and removes what was there before. Does
// nothing in a directory in which nothing is left to be done.
MUST_CHECK enum err migrate_finish(const char *dir);

#endif
