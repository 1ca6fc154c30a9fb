// SPDX-License-Identifier: MIT
// retry.h — decides what happens to a delivery after an attempt, and what the
// attempt says about the receiver.

#ifndef ENGINE_DELIVERY_RETRY_H
#define ENGINE_DELIVERY_RETRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/delivery/throttle.h"
#include "queue/queue.h"

#define BLOCKED_ATTEMPTS_MAX 3 // a refused address rarely becomes a good one
#define OURS_WAIT_MS         1000

enum verdict_kind {
    VERDICT_DELIVERED,
    VERDICT_RETRY,
    VERDICT_DEAD,
    VERDICT_AGAIN // no attempt was made: this one does not count
};

struct verdict {
    enum verdict_kind kind;
    int64_t delay_ms;       // VERDICT_RETRY and VERDICT_AGAIN only
    enum error_class error; // ERROR_NONE if delivered
    enum feedback feedback;
    bool is_gone;     // 410: the receiver wants no more deliveries, ever
    int64_t pause_ms; // how long the receiver wants no request; 0: no wish
};

// How an attempt ended.
struct attempt_end {
    enum error_class error; // ERROR_NONE: a complete header block came
    bool is_ours;           // no attempt was made
    uint16_t response_code;
    uint32_t n_attempts;    // including this one
    int64_t retry_after_ms; // as the receiver asks; -1: it does not
};

struct retry_policy {
    const int64_t *waits_ms; // the schedule; borrowed
    size_t n_waits;
    uint32_t jitter; // uniform over uint32_t: moves a wait by up to 20 %
    int64_t overload_wait_ms; // least wait after 429 or no answer in time
};

// The outcome table. Pure: no clock, no I/O. A retry waits as the schedule says, or as
// long as the receiver asks if that is longer.
//
// outcome                           delivery          receiver
// 2xx                               delivered         answered
// 410 (Standard Webhooks)           dead              the hook is switched off
// 429, 502, 503, 504                retry             overloaded: slow down
// other status, redirects too       retry             answered
// no such name, no connection, TLS,
//   no answer in time, cut off,
//   a stream that was reset         retry             unreachable
// no HTTP                           retry             answered
// a refused address                 retry, 3 at most  answered
// nothing was sent, by our fault    again, uncounted  answered
struct verdict retry_decide(const struct attempt_end *end,
                            const struct retry_policy *policy);

#endif
