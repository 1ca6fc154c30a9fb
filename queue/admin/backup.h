// SPDX-License-Identifier: MIT
// backup.h — copies a data directory. Part of queue.h, which is what to include
// outside of queue/.

#ifndef QUEUE_ADMIN_BACKUP_H
#define QUEUE_ADMIN_BACKUP_H

#include <stdint.h>

#include "common/base/err.h"
#include "queue/admin/copy_target.h"
#include "queue/admin/progress.h"
#include "queue/records/queue_config.h"

struct queue_copied {
    uint64_t n_records, n_total;
    uint64_t n_damaged; // left out, and written to damaged.jsonl
};

// Copies a data directory to `to`, also while an engine runs on it: the copy holds
// what was committed at one moment. queue_copy_finish() gives it its name; until
// then it lies under `to->temporary`. `with_keys`: copies secret.key and
// admin.token, too. During the copy, pages that the engine frees are not reused, so
// its files grow. queue_copy_begin() must have prepared `to`.
// ERR_AGAIN: `on_progress` (may be NULL) ended it. ERR_CORRUPT: pages are damaged;
// ERR_CONFLICT: the directory's parts do not belong together; queue_repair()
// handles both. ERR_EXISTS: the target is not an empty directory. ERR_BUSY: a file
// system is mounted there. ERR_FULL, ERR_DENIED.
MUST_CHECK enum err queue_copy(const struct queue_config *config,
                               const struct queue_copy_to *to,
                               queue_progress on_progress, void *data,
                               struct queue_copied *out);

#endif
