// SPDX-License-Identifier: MIT
// throttle.c — how fast a hook, or an endpoint, may be sent to.

#include "engine/delivery/throttle.h"

#include <string.h>

#define ONE         256u // one attempt, in the units of window_q8
#define N_RECENT    20u
#define RECENT_MASK ((1u << N_RECENT) - 1)
#define US_PER_MIN  60000000.0

void throttle_init(struct throttle *p, uint32_t window)
{
    memset(p, 0, sizeof(*p));
    p->window_q8 = window * ONE;
    p->slow_start_limit_q8 = UINT32_MAX;
}

uint32_t throttle_window(const struct throttle *p,
                         const struct throttle_limits *limits)
{
    uint32_t window = p->window_q8 / ONE;

    if (p->breaker != BREAKER_CLOSED)
        return 1; // one attempt: the probe
    return window < limits->max_inflight ? window : limits->max_inflight;
}

// --- the bucket ---

static uint32_t burst_of(const struct throttle_limits *limits)
{
    uint32_t of_second = limits->rate_per_minute / 60;

    if (limits->rate_burst > 0)
        return limits->rate_burst;
    return of_second > 0 ? of_second : 1;
}

static void fill(struct throttle *p, const struct throttle_limits *limits,
                 int64_t now_us)
{
    double full = burst_of(limits);

    if (p->tokens_at_us == 0) {
        p->tokens = full;
    } else {
        p->tokens += (double)(now_us - p->tokens_at_us) *
                     limits->rate_per_minute / US_PER_MIN;
    }
    if (p->tokens > full)
        p->tokens = full;
    p->tokens_at_us = now_us;
}

static int64_t next_token_us(struct throttle *p,
                             const struct throttle_limits *limits,
                             int64_t now_us)
{
    if (limits->rate_per_minute == 0)
        return now_us;
    fill(p, limits, now_us);
    if (p->tokens >= 1)
        return now_us;
    return now_us + 1 +
           (int64_t)((1 - p->tokens) * US_PER_MIN / limits->rate_per_minute);
}

// --- before an attempt ---

int64_t throttle_next_us(struct throttle *p,
                         const struct throttle_limits *limits, uint32_t n_sent,
                         int64_t now_us)
{
    if (n_sent >= throttle_window(p, limits))
        return THROTTLE_AWAIT_RESULT;
    if (throttle_not_before_us(p) > now_us)
        return throttle_not_before_us(p);
    return next_token_us(p, limits, now_us);
}

int64_t throttle_not_before_us(const struct throttle *p)
{
    return p->breaker_until_us > p->wait_until_us ? p->breaker_until_us
                                                  : p->wait_until_us;
}

bool throttle_sent(struct throttle *p, const struct throttle_limits *limits,
                   int64_t now_us)
{
    bool is_probe = p->breaker == BREAKER_OPEN;

    if (is_probe)
        p->breaker = BREAKER_PROBING;
    if (limits->rate_per_minute > 0) {
        fill(p, limits, now_us);
        p->tokens -= 1;
    }
    return is_probe;
}

// --- after an attempt ---

static void grow(struct throttle *p, const struct throttle_limits *limits)
{
    uint32_t max_q8 = limits->max_inflight * ONE;

    if (p->window_q8 < p->slow_start_limit_q8) {
        p->window_q8 += ONE;
    } else {
        p->window_q8 += ONE * ONE / p->window_q8 + 1;
    }
    if (p->window_q8 > max_q8)
        p->window_q8 = max_q8;
}

static void shrink(struct throttle *p)
{
    p->window_q8 /= 2;
    if (p->window_q8 < ONE)
        p->window_q8 = ONE;
    p->slow_start_limit_q8 = p->window_q8;
}

static void note(struct throttle *p, bool failed)
{
    p->recent = (p->recent << 1 | failed) & RECENT_MASK;
    if (p->n_recent < N_RECENT)
        p->n_recent++;
    p->n_failed_in_row = failed ? p->n_failed_in_row + 1 : 0;
}

static bool must_open(const struct throttle *p,
                      const struct throttle_limits *limits)
{
    if (limits->breaker_failures == 0)
        return false;
    return p->n_failed_in_row >= limits->breaker_failures ||
           (p->n_recent == N_RECENT &&
            (uint32_t)__builtin_popcount(p->recent) * 2 >= N_RECENT);
}

static void open_breaker(struct throttle *p,
                         const struct throttle_limits *limits, int64_t now_us,
                         uint32_t jitter)
{
    int64_t wait_us = p->breaker == BREAKER_CLOSED ? limits->breaker_wait_us
                                                   : p->breaker_wait_us * 2;

    if (wait_us > limits->breaker_wait_max_us)
        wait_us = limits->breaker_wait_max_us;
    p->breaker = BREAKER_OPEN;
    p->breaker_wait_us = wait_us;
    // 0.8 to 1.2 times the wait, so that hooks of one receiver do not all probe at
    // once.
    p->breaker_until_us =
        now_us + wait_us - wait_us / 5 +
        (int64_t)((uint64_t)(wait_us * 2 / 5) * jitter / UINT32_MAX);
}

static void close_breaker(struct throttle *p)
{
    double tokens = p->tokens;
    int64_t tokens_at_us = p->tokens_at_us;
    int64_t wait_until_us = p->wait_until_us;

    throttle_init(p, 1); // as for a new receiver: the backlog must not flood it
    p->wait_until_us = wait_until_us;
    p->tokens = tokens;
    p->tokens_at_us = tokens_at_us;
}

enum throttle_change throttle_ended(struct throttle *p,
                                    const struct throttle_limits *limits,
                                    enum feedback feedback, int64_t now_us,
                                    int64_t wait_us, uint32_t jitter)
{
    bool failed =
        feedback == FEEDBACK_OVERLOADED || feedback == FEEDBACK_UNREACHABLE;
    enum throttle_change change = THROTTLE_SAME;

    if (wait_us > 0)
        throttle_wait(p, now_us + wait_us);
    if (p->breaker == BREAKER_OPEN && failed)
        return THROTTLE_SAME; // that attempt was sent before the breaker opened
    if (!failed && p->breaker != BREAKER_CLOSED) {
        close_breaker(p);
        return THROTTLE_CLOSED;
    }
    note(p, failed);
    if (p->breaker == BREAKER_PROBING) {
        open_breaker(p, limits, now_us, jitter);
    } else if (failed && must_open(p, limits)) {
        open_breaker(p, limits, now_us, jitter);
        change = THROTTLE_OPENED;
    }
    if (failed) {
        shrink(p);
    } else {
        grow(p, limits);
    }
    return change;
}

void throttle_begin_slowly(struct throttle *p, uint32_t window)
{
    if (p->window_q8 > window * ONE)
        p->window_q8 = window * ONE;
}

void throttle_wait(struct throttle *p, int64_t until_us)
{
    if (until_us > p->wait_until_us)
        p->wait_until_us = until_us;
}

void throttle_lost(struct throttle *p)
{
    if (p->breaker == BREAKER_PROBING)
        p->breaker = BREAKER_OPEN; // another attempt will probe
}

void throttle_returned(struct throttle *p, const struct throttle_limits *limits)
{
    if (limits->rate_per_minute > 0)
        p->tokens += 1;
}
