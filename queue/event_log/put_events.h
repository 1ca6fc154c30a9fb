// SPDX-License-Identifier: MIT
// put_events.h — puts events into the log, within a transaction of the worker.

#ifndef QUEUE_EVENT_LOG_PUT_EVENTS_H
#define QUEUE_EVENT_LOG_PUT_EVENTS_H

#include "queue/event_rows/append.h"
#include "queue/lmdb/environment.h"

struct event_log;

// Puts the events of `a` that are no repetitions, under the numbers from log->next on.
// With `is_last`, no number in the log is greater. ERR_CONFLICT: a->fault is set, and
// nothing was put. ERR_AGAIN: as append.h says, and nothing was put.
MUST_CHECK enum err events_put(struct event_log *log, MDB_txn *txn,
                               struct append *a, bool is_last);

#endif
