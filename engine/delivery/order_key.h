// SPDX-License-Identifier: MIT
// order_key.h — which events of an ordered hook wait for each other. Pure.

#ifndef ENGINE_DELIVERY_ORDER_KEY_H
#define ENGINE_DELIVERY_ORDER_KEY_H

#include <stdint.h>

#include "common/base/str.h"

struct json_value;

// A number for the value at `path` ("order.id") in a payload: events with the same one
// are delivered in order. Events without the field, or with an object or array there,
// share 0.
uint64_t order_key_of(struct str path, const struct json_value *payload);

#endif
