// SPDX-License-Identifier: MIT
// verify.h — reads everything and checks that the books balance. Part of queue.h, which
// is what to include outside of queue/.

#ifndef QUEUE_ADMIN_VERIFY_H
#define QUEUE_ADMIN_VERIFY_H

#include <stdint.h>

#include "common/base/err.h"
#include "queue/admin/progress.h"
#include "queue/records/queue_config.h"

struct queue_report {
    uint64_t n_accepted;
    uint64_t n_unmatched; // accepted, not passed by some shard's cursor yet
    uint64_t n_missing;   // accepted, and lost by the log before a start
    uint64_t n_without;   // due and dead ones, of such events
    int64_t matched, delivered, cancelled, dead_expired, dead, pending;
    uint64_t n_hooks;
    uint64_t n_faults; // damaged records, rows without event, wrong counts
};

// Reads everything in one consistent snapshot per environment, also beside a
// running engine, and checks each record, that each row's event exists, and
// that the books balance. `on_fault` gets a sentence for each fault;
// `on_progress` may be NULL. ERR_AGAIN: it was ended.
MUST_CHECK enum err queue_verify(const struct queue_config *config,
                                 void (*on_fault)(void *data, const char *what),
                                 queue_progress on_progress, void *data,
                                 struct queue_report *out);

#endif
