// SPDX-License-Identifier: MIT
// handshake_answer.h — what a receiver's answer to the handshake means.
//
// The handshake is the abuse protection of "HTTP 1.1 Web Hooks for Event Delivery", a
// specification of CloudEvents: OPTIONS with WebHook-Request-Origin asks the receiver for
// permission. Pure.

#ifndef ENGINE_DISPATCHER_DELIVER_HANDSHAKE_ANSWER_H
#define ENGINE_DISPATCHER_DELIVER_HANDSHAKE_ANSWER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/str.h"
#include "common/messages/send_order.h"
#include "common/model/hook.h"

// Judges the end of a request that named `origin`. `rate_per_minute` gets the permitted
// rate, 0 if there is no limit; `reason` gets a sentence unless the answer is
// HANDSHAKE_ALLOWED.
enum handshake_answer handshake_judge(const struct outcome *o,
                                      struct str origin,
                                      uint32_t *rate_per_minute,
                                      struct buf *reason);

// Appends the headers of the request, each as "Name: value" ended by a NUL.
// `rate_per_minute` is asked for; 0: no rate is asked for.
void handshake_put_headers(struct str origin, uint64_t rate_per_minute,
                           bool is_lower, struct buf *out);

#endif
