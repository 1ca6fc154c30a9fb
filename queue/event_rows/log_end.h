// SPDX-License-Identifier: MIT
// log_end.h — handles an event log that is older than what other parts know of it.
//
// After a partial restore, or on a disk that reported writes it had not made, the
// log ends before events that deliveries and hooks know. The numbers of those
// events must not be given out again: cursors have passed them, so nobody would get
// the new events.

#ifndef QUEUE_EVENT_ROWS_LOG_END_H
#define QUEUE_EVENT_ROWS_LOG_END_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "queue/lmdb/environment.h"
#include "queue/records/queue_config.h"

// The number of the next event, from the database.
MUST_CHECK enum err event_next(struct store *s, MDB_txn *txn, uint64_t *next);
MUST_CHECK enum err event_put_next(struct store *s, MDB_txn *txn,
                                   uint64_t number);

// Numbers of events that were accepted and that the log does not have.
struct missing {
    uint64_t from, to; // both are missing
};

#define MISSING_MAX 32 // later ones are put together with the last

// What the log records about missing events. ERR_CORRUPT.
MUST_CHECK enum err missing_get(struct store *s, MDB_txn *txn,
                                struct missing out[MISSING_MAX], size_t *n);
uint64_t missing_sum(const struct missing *m, size_t n);
bool missing_has(const struct missing *m, size_t n, uint64_t number);

// The greatest number of an event that a shard knows, as of this transaction.
// ERR_CORRUPT: the state is damaged.
MUST_CHECK enum err log_end_of_shard(struct store *s, MDB_txn *txn,
                                     uint64_t *greatest);

// Moves the end of the event log behind the greatest event that a shard knows, and
// notes which events are missing. Moves the last numbers of hooks and organizations
// behind those that deliveries know, and gives a number to each organization that
// has hooks but no number. Logs what it did. Called by queue_prepare().
MUST_CHECK enum err log_end_fit(const struct queue_config *config);

#endif
