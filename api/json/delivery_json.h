// SPDX-License-Identifier: MIT
// delivery_json.h — an attempt as JSON.

#ifndef API_JSON_DELIVERY_JSON_H
#define API_JSON_DELIVERY_JSON_H

#include "common/base/buf.h"
#include "common/base/str.h"
#include "queue/queue.h"

// Appends the record of an attempt (api/deliveries/README.md): Pulumi's ten fields,
// then ours. `payload` is the body that was sent. `members` (may be empty) are further
// members that come first, each followed by a comma.
void delivery_print(const struct attempt *attempt, struct str payload,
                    struct str members, struct buf *out);

// Appends the record without headers and bodies.
void delivery_print_brief(const struct attempt *attempt, struct str members,
                          struct buf *out);

const char *delivery_state_name(enum delivery_state state); // "delivered"

#endif
