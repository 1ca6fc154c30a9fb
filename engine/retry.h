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

// Pure: no clock, no I/O. `error` is what the sender reports (ERROR_NONE: a
// complete header block came, with `response_code`), `n_attempts` counts this
// one, `waits_ms` is the retry schedule, `jitter` is uniform over uint32_t and
// moves a wait by up to 20 % either way.
struct verdict retry_decide(enum error_class error, uint16_t response_code,
                            uint32_t n_attempts, const int64_t *waits_ms,
                            size_t n_waits, uint32_t jitter);

#endif
