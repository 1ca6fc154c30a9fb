// SPDX-License-Identifier: MIT
// retry.c — decides what happens to a delivery after an attempt, and what the
// attempt says about the receiver.

#include "engine/delivery/retry.h"

enum {
    HTTP_GONE = 410,
    HTTP_TOO_MANY_REQUESTS = 429,
    HTTP_BAD_GATEWAY = 502,
    HTTP_UNAVAILABLE = 503,
    HTTP_GATEWAY_TIMEOUT = 504
};

// Redirects are not followed: they are failures like any other status.
static enum error_class class_of(enum error_class error, uint16_t response_code)
{
    if (error != ERROR_NONE)
        return error;
    if (response_code >= 200 && response_code <= 299)
        return ERROR_NONE;
    return response_code == HTTP_GONE ? ERROR_GONE : ERROR_STATUS;
}

static enum feedback feedback_of(enum error_class error, uint16_t response_code)
{
    switch (error) {
    case ERROR_DNS:
    case ERROR_CONNECT:
    case ERROR_TLS:
    case ERROR_TIMEOUT:
    case ERROR_RESET:
        return FEEDBACK_UNREACHABLE;
    case ERROR_NONE:
    case ERROR_PROTOCOL:
    case ERROR_BLOCKED:
    case ERROR_GONE:
        return FEEDBACK_ANSWERED;
    case ERROR_STATUS:
        break;
    }
    if (response_code == HTTP_TOO_MANY_REQUESTS ||
        response_code == HTTP_BAD_GATEWAY ||
        response_code == HTTP_UNAVAILABLE ||
        response_code == HTTP_GATEWAY_TIMEOUT)
        return FEEDBACK_OVERLOADED;
    return FEEDBACK_ANSWERED;
}

static bool is_hopeless(enum error_class error, uint32_t n_attempts)
{
    return error == ERROR_GONE ||
           (error == ERROR_BLOCKED && n_attempts >= BLOCKED_ATTEMPTS_MAX);
}

// 0.8 to 1.2 times the wait.
static int64_t with_jitter(int64_t wait_ms, uint32_t jitter)
{
    int64_t width_ms = wait_ms * 2 / 5;

    return wait_ms - wait_ms / 5 +
           (int64_t)((uint64_t)width_ms * jitter / UINT32_MAX);
}

static int64_t delay_of(const struct attempt_end *end,
                        const struct retry_policy *policy)
{
    int64_t wait_ms = policy->waits_ms[end->n_attempts - 1];
    bool is_patient = end->error == ERROR_TIMEOUT ||
                      end->response_code == HTTP_TOO_MANY_REQUESTS;

    if (is_patient && wait_ms < policy->overload_wait_ms)
        wait_ms = policy->overload_wait_ms;
    wait_ms = with_jitter(wait_ms, policy->jitter);
    return wait_ms > end->retry_after_ms ? wait_ms : end->retry_after_ms;
}

struct verdict retry_decide(const struct attempt_end *end,
                            const struct retry_policy *policy)
{
    struct verdict verdict = { .kind = VERDICT_DEAD };

    if (end->is_ours) {
        return (struct verdict){ .kind = VERDICT_AGAIN,
                                 .delay_ms = OURS_WAIT_MS,
                                 .error = end->error,
                                 .feedback = FEEDBACK_ANSWERED };
    }
    verdict.error = class_of(end->error, end->response_code);
    verdict.feedback = feedback_of(verdict.error, end->response_code);
    verdict.is_gone = verdict.error == ERROR_GONE;
    if (verdict.feedback == FEEDBACK_OVERLOADED && end->retry_after_ms > 0)
        verdict.pause_ms = end->retry_after_ms;
    if (verdict.error == ERROR_NONE) {
        verdict.kind = VERDICT_DELIVERED;
    } else if (end->n_attempts <= policy->n_waits &&
               !is_hopeless(verdict.error, end->n_attempts)) {
        verdict.kind = VERDICT_RETRY;
        verdict.delay_ms = delay_of(end, policy);
    }
    return verdict;
}
