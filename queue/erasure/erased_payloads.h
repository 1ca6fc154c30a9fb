// SPDX-License-Identifier: MIT
// erased_payloads.h — the inside: which orders to erase a payload an environment has worked
// off: rows of its table `meta`, "wiped " and the event's position, that contain nothing.

#ifndef QUEUE_ERASURE_ERASED_PAYLOADS_H
#define QUEUE_ERASURE_ERASED_PAYLOADS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/model/event.h"
#include "queue/erasure/payload_work.h"
#include "queue/lmdb/environment.h"

struct hook_store;

// Whether the row of the event is there, as of the last commit; on the loop's thread.
MUST_CHECK enum err erased_payload_read(struct store *s, unsigned db,
                                        struct position position, bool *out);
MUST_CHECK enum err erased_payload_put(struct store *s, MDB_txn *txn,
                                       unsigned db, struct position position);
// Removes rows that are there.
MUST_CHECK enum err erased_payloads_forget(struct store *s, MDB_txn *txn,
                                           unsigned db,
                                           const struct payload_work *work);

// Reads what the environment has to do: orders without a row, and rows without an order;
// on the loop's thread.
MUST_CHECK enum err payload_work_read(struct hook_store *hooks, struct store *s,
                                      unsigned db, struct payload_work *out);

#endif
