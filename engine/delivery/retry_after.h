// SPDX-License-Identifier: MIT
// retry_after.h — what a receiver asks for with Retry-After.

#ifndef ENGINE_DELIVERY_RETRY_AFTER_H
#define ENGINE_DELIVERY_RETRY_AFTER_H

#include <stdint.h>

#include "common/base/str.h"

#define RETRY_AFTER_MAX_MS (INT64_C(24) * 60 * 60 * 1000)

// How long to wait from `now_ms` (UTC epoch) on, 0 to RETRY_AFTER_MAX_MS, by
// the first Retry-After in `headers` ("Name: value\r\n" each): seconds, or a
// date in any of the three forms of RFC 9110, 5.6.7. -1: there is none, or it
// is neither (a sign, a fraction, other words). A date that has passed is 0.
int64_t retry_after_ms(struct str headers, int64_t now_ms);

#endif
