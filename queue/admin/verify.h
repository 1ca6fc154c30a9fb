// SPDX-License-Identifier: MIT
// verify.h — reads everything and checks that the counts balance. Part of queue.h,
// which is what to include outside of queue/.

#ifndef QUEUE_ADMIN_VERIFY_H
#define QUEUE_ADMIN_VERIFY_H

#include <stdint.h>

#include "common/base/err.h"
#include "queue/admin/progress.h"
#include "queue/records/queue_config.h"

struct queue_report {
    uint64_t n_accepted;
    uint64_t
        n_unmatched;    // accepted, but not yet passed by every shard's cursor
    uint64_t n_missing; // accepted, but found missing from the log by a start
    uint64_t n_without; // due rows and dead letters of missing events
    int64_t matched, delivered, cancelled, dead_expired, dead, pending;
    uint64_t n_hooks;
    uint64_t n_sealed; // events whose payload is sealed
    uint64_t n_locked; // of them, with a key that is not there
    uint64_t n_faults; // damaged records, rows without event, wrong counts
};

// Reads everything in one consistent snapshot per environment, also while an engine
// runs, and checks each record, that each row's event exists, and that the counts
// balance. `on_fault` gets a sentence for each fault; `on_progress` may be NULL.
// ERR_AGAIN: `on_progress` ended it.
MUST_CHECK enum err queue_verify(const struct queue_config *config,
                                 void (*on_fault)(void *data, const char *what),
                                 queue_progress on_progress, void *data,
                                 struct queue_report *out);

#endif
