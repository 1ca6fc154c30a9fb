// retry.c — decides what happens to a delivery after an attempt.

#include "engine/retry.h"

#include <stdbool.h>

#define HTTP_GONE 410

// Redirects are not followed: they are failures like any other status.
static enum error_class class_of(enum error_class error, uint16_t response_code)
{
    if (error != ERROR_NONE)
        return error;
    if (response_code >= 200 && response_code <= 299)
        return ERROR_NONE;
    return response_code == HTTP_GONE ? ERROR_GONE : ERROR_STATUS;
}

static bool is_hopeless(enum error_class error, uint32_t n_attempts)
{
    return error == ERROR_GONE ||
           (error == ERROR_BLOCKED && n_attempts >= BLOCKED_ATTEMPTS_MAX);
}

// 0.8 to 1.2 of the wait.
static int64_t with_jitter(int64_t wait_ms, uint32_t jitter)
{
    int64_t width_ms = wait_ms * 2 / 5;

    return wait_ms - wait_ms / 5 +
           (int64_t)((uint64_t)width_ms * jitter / UINT32_MAX);
}

struct verdict retry_decide(const struct attempt_end *end,
                            const struct retry_policy *policy)
{
    struct verdict verdict = { .kind = VERDICT_DEAD };

    verdict.error = class_of(end->error, end->response_code);
    if (verdict.error == ERROR_NONE) {
        verdict.kind = VERDICT_DELIVERED;
    } else if (end->n_attempts <= policy->n_waits &&
               !is_hopeless(verdict.error, end->n_attempts)) {
        verdict.kind = VERDICT_RETRY;
        verdict.delay_ms =
            with_jitter(policy->waits_ms[end->n_attempts - 1], policy->jitter);
        if (verdict.delay_ms < end->retry_after_ms)
            verdict.delay_ms = end->retry_after_ms;
    }
    return verdict;
}
