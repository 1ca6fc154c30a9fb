// SPDX-License-Identifier: MIT
// org_value.h — a small value of an organization. Part of queue.h.

#ifndef QUEUE_ORGS_ORG_VALUE_H
#define QUEUE_ORGS_ORG_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/str.h"

// What a value is for. Values are on disk.
enum org_value_use {
    ORG_RETENTION = 1,  // how long its history and its payloads are kept
    ORG_EVENT_KIND = 2, // an entry of its catalogue of kinds; named by the kind
    ORG_SIGNING_KEY =
        3, // the keys that sign its requests (signing_key.h); sealed
    ORG_PAYLOAD_ORDER =
        4 // an order to erase an event's payload (payload_orders.h)
};
#define ORG_VALUE_USES 5 // behind the last one

#define ORG_VALUE_NAME_MAX_BYTES 256
#define ORG_VALUE_MAX_BYTES      ((size_t)64 * 1024)

struct org_value {
    enum org_value_use use;
    uint64_t org_no;   // the organization, as org_number() says
    uint64_t revision; // new at each put, across all values of its use
    struct str name;   // empty where an organization has one value of this use
    struct str
        bytes; // in the clear; empty if it is sealed and cannot be opened
    bool is_sealed;
    bool is_open; // false: it is sealed, and the store has no keys or others
};

#endif
