// retry.h — decides what happens to a delivery after an attempt.

#ifndef ENGINE_RETRY_H
#define ENGINE_RETRY_H

#include <stddef.h>
#include <stdint.h>

#include "queue/queue.h"

#define BLOCKED_ATTEMPTS_MAX 3 // a refused address rarely becomes a good one

enum verdict_kind { VERDICT_DELIVERED, VERDICT_RETRY, VERDICT_DEAD };

struct verdict {
    enum verdict_kind kind;
    int64_t delay_ms;       // VERDICT_RETRY only
    enum error_class error; // ERROR_NONE if delivered
};

// What came of an attempt.
struct attempt_end {
    enum error_class error; // ERROR_NONE: a complete header block came
    uint16_t response_code;
    uint32_t n_attempts;    // with this one
    int64_t retry_after_ms; // as the receiver asks; -1: it does not
};

struct retry_policy {
    const int64_t *waits_ms; // the schedule; borrowed
    size_t n_waits;
    uint32_t jitter; // uniform over uint32_t: moves a wait by up to 20 %
};

// Pure: no clock, no I/O. A wait is that of the schedule, or what the receiver
// asks for if that is longer.
struct verdict retry_decide(const struct attempt_end *end,
                            const struct retry_policy *policy);

#endif
