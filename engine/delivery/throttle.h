// SPDX-License-Identifier: MIT
// throttle.h — how fast a hook, or an endpoint, may be sent to. Pure: the time is
// passed in, monotonic, in microseconds.
//
// A window says how many attempts may be in flight. It starts small, grows by
// one with each answer until it was once too large, then by one a round
// (Jacobson's slow start; Postfix's 1/N); a receiver that does not answer, or
// says that it is overloaded, halves it.
//
// A breaker opens when a receiver cannot be reached time after time, or is
// overloaded: then nothing is sent for a while. After that one attempt shows
// whether it is back: if so, the breaker closes, and the window starts small;
// if not, the while doubles. Nothing that waits spends attempts meanwhile.
//
// A rate limit is a token bucket.

#ifndef ENGINE_DELIVERY_THROTTLE_H
#define ENGINE_DELIVERY_THROTTLE_H

#include <stdbool.h>
#include <stdint.h>

// What an attempt says about the receiver.
enum feedback {
    FEEDBACK_ANSWERED,   // it is there, whatever it said
    FEEDBACK_OVERLOADED, // 429, 502, 503, 504
    FEEDBACK_UNREACHABLE // no answer
};

struct throttle_limits {
    uint32_t max_inflight;
    uint32_t rate_per_second; // 0: none
    uint32_t rate_burst;
    uint32_t breaker_failures; // in a row; 0: the breaker never opens
    int64_t breaker_wait_us, breaker_wait_max_us;
};

enum breaker { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_PROBING };

struct throttle {
    uint32_t window_q8; // attempts in flight, in 256ths
    uint32_t
        slow_start_limit_q8; // below, the window grows by one with each answer
    uint32_t recent;         // a bit for each of the last outcomes: a failure
    uint32_t n_recent;
    uint32_t n_failed_in_row;
    enum breaker breaker;
    int64_t breaker_wait_us;
    int64_t not_before_us; // the breaker, or the receiver asked for it
    double tokens;
    int64_t tokens_at_us; // 0: the bucket is full
};

#define THROTTLE_AWAIT_RESULT INT64_MAX // the end of an attempt will tell

void throttle_init(struct throttle *p, uint32_t window);

// When one more may be sent, with `n_sent` in flight: `now_us` or before: now.
// THROTTLE_AWAIT_RESULT: not before an attempt ends.
int64_t throttle_next_us(struct throttle *p,
                         const struct throttle_limits *limits, uint32_t n_sent,
                         int64_t now_us);

// One is sent now.
void throttle_sent(struct throttle *p, const struct throttle_limits *limits,
                   int64_t now_us);

// One has ended so. `wait_us`: as long nothing shall be sent (Retry-After; 0:
// no wish). `jitter` is uniform over uint32_t and spreads probes by 20 %.
// Returns whether the breaker opened or closed by it.
enum throttle_change { THROTTLE_SAME, THROTTLE_OPENED, THROTTLE_CLOSED };
enum throttle_change throttle_ended(struct throttle *p,
                                    const struct throttle_limits *limits,
                                    enum feedback feedback, int64_t now_us,
                                    int64_t wait_us, uint32_t jitter);

// It has not been sent to for a while: what waits does not fall on it at once.
// What is known of the receiver stays, and so does an open breaker.
void throttle_begin_slowly(struct throttle *p, uint32_t window);

// Nothing is sent before this time (monotonic).
void throttle_wait(struct throttle *p, int64_t until_us);

// One in flight will never say what came of it (its sender died).
void throttle_lost(struct throttle *p);

uint32_t throttle_window(const struct throttle *p,
                         const struct throttle_limits *limits);

#endif
