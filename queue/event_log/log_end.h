// SPDX-License-Identifier: MIT
// log_end.h — an event log that is older than what is known of it.
//
// A restore of a part, or a disk that lied about having written, leaves a log
// that ends before events that deliveries and hooks know. Their numbers must not
// be given again: cursors are past them, and so nobody would get the new events.

#ifndef QUEUE_EVENT_LOG_LOG_END_H
#define QUEUE_EVENT_LOG_LOG_END_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "queue/lmdb/environment.h"
#include "queue/records/queue_config.h"

// The next event's number, in the database.
MUST_CHECK enum err event_next(struct store *s, MDB_txn *txn, uint64_t *next);
MUST_CHECK enum err event_put_next(struct store *s, MDB_txn *txn,
                                   uint64_t number);

// Numbers of events that were accepted and that the log does not have.
struct missing {
    uint64_t from, to; // both are missing
};

#define MISSING_MAX 32 // later ones are put together with the last

// What the log says of itself. ERR_CORRUPT.
MUST_CHECK enum err missing_get(struct store *s, MDB_txn *txn,
                                struct missing out[MISSING_MAX], size_t *n);
uint64_t missing_sum(const struct missing *m, size_t n);
bool missing_has(const struct missing *m, size_t n, uint64_t number);

// The greatest number of an event that a shard knows of, as `s` reads now.
// ERR_CORRUPT: the state is damaged.
MUST_CHECK enum err log_end_of_shard(struct store *s, MDB_txn *txn,
                                     uint64_t *greatest);

// Moves the end of the event log behind the greatest event that a shard knows of, and
// notes which events are missing. Moves the last numbers of a hook and of an organization
// behind those that deliveries know, and gives a number to an organization whose hooks
// have none. Says in the log what it did. Run by queue_prepare().
MUST_CHECK enum err log_end_fit(const struct queue_config *config);

#endif
