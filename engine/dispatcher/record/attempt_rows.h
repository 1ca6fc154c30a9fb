// SPDX-License-Identifier: MIT
// attempt_rows.h — rows of the history: of attempts, and of deliveries that end without
// one.

#ifndef ENGINE_DISPATCHER_RECORD_ATTEMPT_ROWS_H
#define ENGINE_DISPATCHER_RECORD_ATTEMPT_ROWS_H

#include <stdint.h>

#include "common/base/str.h"
#include "common/messages/send_order.h"
#include "queue/queue.h"

struct dispatcher;
struct in_flight;

// How a delivery ended without a request.
struct ended {
    uint64_t hook_id;
    struct position position;
    enum delivery_state state; // DELIVERY_CANCELLED or DELIVERY_DEAD
    struct str reason;         // "the webhook was switched off"
    uint32_t n_attempts;       // requests made before
    int64_t queue_us;          // acceptance to the first request
};

// Adds the row of an attempt to d->open_batch. The caller fills in state, error and the
// next attempt; the other fields are taken from `s` and `o`, and what `attempt` points
// to is valid as long as they are.
void attempt_write(struct dispatcher *d, const struct in_flight *s,
                   const struct outcome *o, struct attempt *attempt);

// Adds to d->open_batch a row that tells how a delivery ended, and why. Its event is
// read from the event log or the history; if neither has it, no row is added, and a
// warning is logged.
void end_write(struct dispatcher *d, const struct ended *ended);

#endif
