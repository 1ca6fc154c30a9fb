// SPDX-License-Identifier: MIT
// delivery_policy_json.h — how a hook is delivered to as JSON: read, checked, printed.
//
// Both APIs accept these members besides their own, all optional: retrySchedule,
// timeout, maxInFlight, rateLimit, ordered, orderKey, headerCase, traceContext, paused,
// clientCertificate, clientKey, pattern (pattern_json.h), handshake (handshake_json.h). An absent member changes nothing;
// null means that the settings apply.
// Pure.

#ifndef API_JSON_DELIVERY_POLICY_JSON_H
#define API_JSON_DELIVERY_POLICY_JSON_H

#include "api/json/json_members.h"
#include "common/base/err.h"
#include "common/encoding/json.h"
#include "common/encoding/json_writer.h"
#include "queue/queue.h"

#define TIMEOUT_MIN_MS    INT64_C(10)
#define TIMEOUT_MAX_MS    INT64_C(300000)
#define HOOK_INFLIGHT_MAX 1000
#define RATE_MAX          100000

// Reads the members into the hook. ERR_INVALID: `validation->why` has the reason.
MUST_CHECK enum err policy_merge(const struct validation *validation,
                                 const struct json_value *body,
                                 struct hook *hook);

// Puts the members that differ from the settings into the open object. The client's key
// is never shown; of the certificate only that there is one.
void policy_print(const struct hook_showing *to, const struct hook *hook,
                  struct json_writer *w);

#endif
