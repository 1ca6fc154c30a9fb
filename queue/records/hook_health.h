// SPDX-License-Identifier: MIT
// hook_health.h — the state of a hook that survives restarts. Part of queue.h,
// which is what to include.

#ifndef QUEUE_RECORDS_HOOK_HEALTH_H
#define QUEUE_RECORDS_HOOK_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/str.h"
#include "common/encoding/id.h"
#include "common/model/delivery.h"

// Why a hook counts as failing. Values are on disk.
enum failing_cause {
    FAILING_NOT = 0,
    FAILING_COUNT = 1,   // enough attempts in a row failed
    FAILING_HOUR = 2,    // every attempt of an hour failed
    FAILING_BREAKER = 3, // its breaker opened
    FAILING_HALF = 4     // half of disable_after has passed
};

#define FAILING_CAUSES 5

// Dead letters that no event has reported yet.
struct unreported_dead {
    uint64_t n;
    struct id first, last; // ids of their events
    struct str newest;     // JSON object that describes the last one
};

// Times named `ran` are running times of the shard's dispatchers: they stand still
// while no dispatcher runs, and do not depend on the wall clock.
struct hook_health {
    int64_t failing_since_ms;    // UTC epoch; 0: the last attempt succeeded
    int64_t told_disabled_at_ms; // when an event reported that it was disabled
    int64_t failing_ms;          // running time that counts as failing
    int64_t failed_at_ran_ms;    // the last attempt that failed
    int64_t alarmed_at_ran_ms;   // the last alarm; 0: none
    int64_t dead_told_at_ran_ms; // the last event about dead letters; 0: none
    uint32_t n_failed;           // attempts in a row that failed
    uint32_t n_same;        // of these, the latest with the newest one's result
    uint16_t response_code; // of the newest attempt; 0: no response
    enum error_class error; // of the newest
    enum failing_cause cause;
    uint8_t percent_told; // greatest part of disable_after that was reported
    bool is_alarmed;      // an alarm was reported since a success
    bool is_end_owed;     // the end of a reported alarm must still be reported
    const struct unreported_dead *dead; // borrowed; NULL: none
};

bool hook_health_is_empty(const struct hook_health *h); // nothing is known

// Appends why the hook counts as failing, for people: "the last 10 attempts were
// answered 500 Internal Server Error". Appends nothing if it does not.
void hook_health_put_reason(const struct hook_health *h, struct buf *out);

void health_encode(const struct hook_health *h, struct buf *out);
// `out->dead` points to `dead` if there are any.
MUST_CHECK enum err health_decode(uint32_t place, struct str bytes,
                                  struct hook_health *out,
                                  struct unreported_dead *dead);

#endif
