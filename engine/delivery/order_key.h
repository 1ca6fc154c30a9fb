// SPDX-License-Identifier: MIT
// order_key.h — which events of an ordered hook wait for each other. Pure.

#ifndef ENGINE_DELIVERY_ORDER_KEY_H
#define ENGINE_DELIVERY_ORDER_KEY_H

#include <stdint.h>

#include "common/base/str.h"

struct json_value;

// The ordering key: a number for the value at `path` ("order.id") in a payload. Events
// with the same key are delivered in order. Events without the field, or with an object
// or array there, share the key 0.
uint64_t order_key_of(struct str path, const struct json_value *payload);

#endif
