// SPDX-License-Identifier: MIT
// repair.h — saves everything that can be read of a data directory into a new one.
// Part of queue.h, which is what to include outside of queue/.

#ifndef QUEUE_ADMIN_REPAIR_H
#define QUEUE_ADMIN_REPAIR_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"
#include "queue/admin/copy_target.h"
#include "queue/admin/progress.h"
#include "queue/records/queue_config.h"

// How much of one table was saved, and how much was not.
struct queue_saved {
    const char *environment, *database;
    uint64_t n_records;
    uint64_t n_damaged; // written to damaged.jsonl
    uint64_t n_lost;    // counted in the table, but not found
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

// Makes a new, sound data directory of everything that can be read of another one,
// which may be damaged, be put together from several, or have parts missing; the
// old one is not changed. queue_copy_finish() gives the new one its name; until
// then it lies under `to->temporary`. Copies the keys, too. ERR_BUSY: an engine
// runs on the old directory. ERR_NOTFOUND: there is nothing. ERR_AGAIN:
// `on_progress` ended it. ERR_EXISTS: as in queue_copy(). ERR_FULL, ERR_DENIED.
MUST_CHECK enum err queue_repair(const struct queue_config *config,
                                 const struct queue_copy_to *to,
                                 const struct queue_repair *how,
                                 struct queue_repaired *out);

// --- for migrate.c ---

struct repair_to {
    const char *dir;  // made here
    bool is_in_place; // for the same directory: id and small files stay
    const struct queue_repair *how;
};

// Repairs into `dir`, without locking, renaming, or syncing `dir` itself. Converts
// records of format 4. ERR_CONFLICT: a part is missing or of another directory
// (is_in_place only).
MUST_CHECK enum err repair_into(const struct queue_config *config,
                                const struct repair_to *to,
                                struct queue_repaired *out);

#endif
