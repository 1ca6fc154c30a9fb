// SPDX-License-Identifier: MIT
// delivery_policy_json.h — how a hook is delivered to, as JSON: read, judged, printed.
//
// Members that both APIs take besides their own, all optional: retrySchedule,
// timeout, maxInFlight, rateLimit, ordered, orderKey, paused, clientCertificate,
// clientKey. Absent: unchanged. null: as the settings say. Pure.

#ifndef API_JSON_DELIVERY_POLICY_JSON_H
#define API_JSON_DELIVERY_POLICY_JSON_H

#include "api/json/json_members.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/encoding/json.h"
#include "queue/queue.h"

#define TIMEOUT_MIN_MS    INT64_C(10)
#define TIMEOUT_MAX_MS    INT64_C(300000)
#define HOOK_INFLIGHT_MAX 1000
#define RATE_MAX          100000

// ERR_INVALID: `reader->why`.
MUST_CHECK enum err policy_merge(const struct hook_reader *reader,
                                 const struct json_value *body,
                                 struct hook *hook);

// Each member with a comma before it; only what differs from the settings. The
// client's key never; of the certificate, that there is one.
void policy_print(const struct hook *hook, struct buf *out);

#endif
