// SPDX-License-Identifier: MIT
// repair.h — everything that can be read of a data directory, into a new one. Part of
// queue.h, which is what to include outside of queue/.

#ifndef QUEUE_ADMIN_REPAIR_H
#define QUEUE_ADMIN_REPAIR_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"
#include "queue/admin/copy_target.h"
#include "queue/admin/progress.h"
#include "queue/records/queue_config.h"

// What was saved of one table, and what was not.
struct queue_saved {
    const char *environment, *database;
    uint64_t n_records;
    uint64_t n_damaged; // set aside in damaged.jsonl
    uint64_t n_lost;    // counted there, and not found
};

struct queue_repair {
    void (*on_fault)(void *data, const char *what); // a sentence; may be NULL
    void (*on_saved)(void *data,
                     const struct queue_saved *saved); // may be NULL
    queue_progress on_progress;                        // in pages; may be NULL
    void *data;
};

struct queue_repaired {
    uint64_t n_records, n_damaged, n_lost;
    uint64_t n_faults; // of pages
    unsigned n_shards;
};

// Makes a data directory of everything that can be read of another one: damaged,
// put together of several, or with parts missing; that one is not touched. The new
// one is sound, and has its name with queue_copy_finish(); until then it lies
// under `to->temporary`. Takes the keys along. ERR_BUSY: an engine runs on it.
// ERR_NOTFOUND: there is nothing. ERR_AGAIN: `on_progress` ended it. ERR_EXISTS, as
// of queue_copy(). ERR_FULL, ERR_DENIED.
MUST_CHECK enum err queue_repair(const struct queue_config *config,
                                 const struct queue_copy_to *to,
                                 const struct queue_repair *how,
                                 struct queue_repaired *out);

// --- for migrate.c ---

struct repair_to {
    const char *dir;  // made here, in the place of what is there
    bool is_in_place; // it is for the same directory: id and small files stay
    const struct queue_repair *how;
};

// Without locking, renaming, syncing `dir` itself. Records of format 4 are converted.
// ERR_CONFLICT: a part is missing or of another directory (is_in_place only).
MUST_CHECK enum err repair_into(const struct queue_config *config,
                                const struct repair_to *to,
                                struct queue_repaired *out);

#endif
