// SPDX-License-Identifier: MIT
// attempt_payloads.h — the inside: erases what the history has of payloads.

#ifndef QUEUE_ERASURE_ATTEMPT_PAYLOADS_H
#define QUEUE_ERASURE_ATTEMPT_PAYLOADS_H

#include <stdbool.h>
#include <stddef.h>

#include "queue/erasure/payload_work.h"
#include "queue/lmdb/environment.h"

// Goes on with the work in a shard's environment, over about `max` attempts: bodies and
// headers of requests and answers are erased; the rest of an attempt stays. Notes each event
// that is done. Sets `has_more` if there is more to do, and leaves it if not.
MUST_CHECK enum err attempt_payloads_erase(struct store *s, MDB_txn *txn,
                                           struct payload_work *work,
                                           size_t max, bool *has_more);

#endif
