// SPDX-License-Identifier: MIT
// delivery_json.h — an attempt as JSON.

#ifndef API_JSON_DELIVERY_JSON_H
#define API_JSON_DELIVERY_JSON_H

#include <stdbool.h>

#include "common/base/str.h"
#include "common/encoding/json_writer.h"
#include "queue/queue.h"

// Puts the members of an attempt's record (api/deliveries/README.md) into the open
// object: Pulumi's ten fields, then ours. `payload` is the body that was sent. `is_erased`:
// there is none because the event's payload was erased.
void delivery_print(const struct attempt *attempt, struct str payload,
                    bool is_erased, struct json_writer *w);

// Puts the members of the record without headers and bodies.
void delivery_print_brief(const struct attempt *attempt, struct json_writer *w);

const char *delivery_state_name(enum delivery_state state); // "delivered"

#endif
