// SPDX-License-Identifier: MIT
// payload_orders.h — orders to erase the payload of an event. Part of queue.h, which is what
// to include outside of queue/.
//
// An order is a value of the event's organization in the environment of the hooks, which the
// api process writes. Each process that owns an environment reads the orders there, erases
// what its environment holds of the payload, and notes in the same transaction that it has
// done so: ingest first, in the event log, so that nothing of it can come into a shard any
// more, then each dispatcher, in its history. When all have noted it, the api process removes
// the order, and the owners their notes. So nothing but what is committed says where an order
// stands, and after a kill everyone continues from there.

#ifndef QUEUE_ERASURE_PAYLOAD_ORDERS_H
#define QUEUE_ERASURE_PAYLOAD_ORDERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/encoding/id.h"
#include "common/model/event.h"
#include "queue/catalog/hook_store.h"

// Orders of an organization that are not done.
#define PAYLOAD_ORDERS_MAX 1000

struct payload_order {
    uint64_t org_no;          // set by reading
    struct position position; // of the event
    struct id event_id;
    int64_t at_ms; // UTC epoch; when it was given
};

// --- reading, in any process ---

// The orders of all organizations, or of one; 0: of all. Return false to end the scan.
typedef bool (*payload_order_visit)(void *data,
                                    const struct payload_order *order);
MUST_CHECK enum err payload_orders_each(struct hook_store *hs, uint64_t org_no,
                                        payload_order_visit visit, void *data);

// --- writing, in the process that writes hooks (hook_store.h says how writes end) ---

// Gives an order; one that is there of the same event stays as it is or is replaced.
// ERR_TOOBIG: the organization has PAYLOAD_ORDERS_MAX of others. ERR_BUSY: the organization
// is being erased. ERR_INVALID: its name is malformed.
void payload_order_put(struct hook_store *hs, enum dialect dialect,
                       struct str org, const struct payload_order *order,
                       const struct catalog_caller *caller);

// Removes an order that all have noted as done. ERR_NOTFOUND: there is none.
void payload_order_delete(struct hook_store *hs,
                          const struct payload_order *order,
                          const struct catalog_caller *caller);

#endif
