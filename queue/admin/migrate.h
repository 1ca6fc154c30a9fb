// SPDX-License-Identifier: MIT
// migrate.h — a start that finds a data directory of format 4 converts it to this
// format.

#ifndef QUEUE_ADMIN_MIGRATE_H
#define QUEUE_ADMIN_MIGRATE_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "queue/records/queue_config.h"

// Builds DIR/format5 from the contents of DIR, syncs it, and writes the new format
// into FORMAT: from that moment on the directory has it. Until then the old data is
// unchanged, and a start that was killed begins anew. Run it in a process of its
// own. On an error `why` holds a sentence.
MUST_CHECK enum err migrate(const struct queue_config *config, struct buf *why);
// Moves what migrate() built into its place, and removes the old data. Does nothing
// in a directory where this is done already.
MUST_CHECK enum err migrate_finish(const char *dir);

#endif
