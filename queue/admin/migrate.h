// SPDX-License-Identifier: MIT
// migrate.h — a start finds a data directory of format 4: it becomes one of this format.

#ifndef QUEUE_ADMIN_MIGRATE_H
#define QUEUE_ADMIN_MIGRATE_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "queue/records/queue_config.h"

// A start: builds DIR/format5 of what DIR holds, synced, and says so in FORMAT, which
// is the moment from which on the directory has the new format. Until then what was
// there is as it was, and a start that was killed begins anew. In a process of its
// own. On an error `why` holds a sentence.
MUST_CHECK enum err migrate(const struct queue_config *config, struct buf *why);
// Puts what migrate() built in its place, and removes what was there before. Does
// nothing in a directory in which nothing is left to be done.
MUST_CHECK enum err migrate_finish(const char *dir);

#endif
