// SPDX-License-Identifier: MIT
// backup.h — copies a data directory. Part of queue.h, which is what to include outside of
// queue/.

#ifndef QUEUE_ADMIN_BACKUP_H
#define QUEUE_ADMIN_BACKUP_H

#include <stdint.h>

#include "common/base/err.h"
#include "queue/admin/copy_target.h"
#include "queue/admin/progress.h"
#include "queue/records/queue_config.h"

struct queue_copied {
    uint64_t n_records, n_total;
    uint64_t n_damaged; // left out, and set aside in damaged.jsonl
};

// Copies a data directory to `to`, also beside a running engine: what was committed
// at one moment. It has its name with queue_copy_finish(); until then it lies
// under `to->temporary`. `with_keys`: secret.key and admin.token, too. As long
// as it takes, pages that the engine frees are not used again, so its files grow.
// ERR_AGAIN: `on_progress` (may be NULL) ended it. ERR_CORRUPT: pages are damaged;
// ERR_CONFLICT: its parts do not belong together; both are for queue_repair().
// ERR_EXISTS: something else than an empty directory is there. ERR_BUSY: a file
// system is mounted there. ERR_FULL, ERR_DENIED.
// What it needs of `to` is of queue_copy_begin().
MUST_CHECK enum err queue_copy(const struct queue_config *config,
                               const struct queue_copy_to *to,
                               queue_progress on_progress, void *data,
                               struct queue_copied *out);

#endif
