// SPDX-License-Identifier: MIT
// verdict.h — what an outcome means for its delivery, by the hook and the settings.

#ifndef ENGINE_DISPATCHER_RECORD_VERDICT_H
#define ENGINE_DISPATCHER_RECORD_VERDICT_H

#include <stdint.h>

#include "common/messages/send_order.h"
#include "engine/delivery/retry.h"

struct dispatcher;
struct in_flight;

// What is to be done with the delivery in `s` after this outcome.
struct verdict verdict_of(struct dispatcher *d, const struct in_flight *s,
                          const struct outcome *o);

// A random number that spreads retries; not for secrets.
uint32_t verdict_jitter(struct dispatcher *d);

#endif
