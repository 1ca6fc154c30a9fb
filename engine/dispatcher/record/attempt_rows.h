// SPDX-License-Identifier: MIT
// attempt_rows.h — rows of the history: of attempts, and of deliveries that end without.

#ifndef ENGINE_DISPATCHER_RECORD_ATTEMPT_ROWS_H
#define ENGINE_DISPATCHER_RECORD_ATTEMPT_ROWS_H

#include <stdint.h>

#include "common/base/str.h"
#include "common/messages/send_order.h"
#include "queue/queue.h"

struct dispatcher;
struct slot;

// How a delivery ended without a request.
struct ended {
    uint64_t hook_id;
    struct position position;
    enum delivery_state state; // DELIVERY_CANCELLED or DELIVERY_DEAD
    struct str reason;         // "the webhook was switched off"
    uint32_t n_attempts;       // requests made before
    int64_t queue_us;          // acceptance to the first of them
};

// Adds the row of an attempt to d->open_batch. State, error and the next attempt are
// filled in by the caller; the rest is taken from `s` and `o`, and what it points
// to ends with them.
void attempt_write(struct dispatcher *d, const struct slot *s,
                   const struct outcome *o, struct attempt *attempt);

// Adds to d->open_batch a row that tells how a delivery ended, and why. What it was
// an event of is read from the log or the history; if neither knows there is no
// row, and a line in the log says so.
void end_write(struct dispatcher *d, const struct ended *ended);

#endif
