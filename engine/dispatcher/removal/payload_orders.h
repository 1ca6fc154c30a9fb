// SPDX-License-Identifier: MIT
// payload_orders.h — payloads that the dispatcher's shard is to erase.

#ifndef ENGINE_DISPATCHER_REMOVAL_PAYLOAD_ORDERS_H
#define ENGINE_DISPATCHER_REMOVAL_PAYLOAD_ORDERS_H

#include "engine/dispatcher/loop/dispatcher.h"
#include "queue/queue.h"

// All zeros: there are none.
struct payload_orders {
    struct payload_work work;
    uint64_t commit; // whose end the work waits for; 0: there is no work
};

// Reads what is to be done, if nothing is under way. To be called every second, while the
// shard does not trim.
void payload_orders_on_second(struct dispatcher *d, struct payload_orders *o);
// What the shard may do now; NULL: nothing. It is the shard's until payload_orders_end().
struct payload_work *payload_orders_what(const struct dispatcher *d,
                                         struct payload_orders *o);
// The shard has done all of it.
void payload_orders_end(struct payload_orders *o);

#endif
