// SPDX-License-Identifier: MIT
// throttle.h — how fast a hook, or an endpoint, may be sent to. Pure: the time is
// passed in, monotonic, in microseconds.
//
// A window says how many attempts may be in flight. It starts small and grows by
// one with each answer until it has been too large once, then by one each round
// (Jacobson's slow start; Postfix's 1/N). When a receiver does not answer, or
// says that it is overloaded, the window is halved.
//
// A breaker opens when a receiver cannot be reached time after time, or is
// overloaded: then nothing is sent for a while. After that, one attempt shows
// whether the receiver is back: if so, the breaker closes, and the window starts
// small; if not, the wait doubles. Deliveries that wait spend no attempts meanwhile.
//
// A rate limit is a token bucket.

#ifndef ENGINE_DELIVERY_THROTTLE_H
#define ENGINE_DELIVERY_THROTTLE_H

#include <stdbool.h>
#include <stdint.h>

// What an attempt says about the receiver.
enum feedback {
    FEEDBACK_ANSWERED,   // the receiver works, whatever it answered
    FEEDBACK_OVERLOADED, // 429, 502, 503, 504
    FEEDBACK_UNREACHABLE // no answer
};

struct throttle_limits {
    uint32_t max_inflight;
    uint32_t rate_per_minute; // attempts; 0: no limit
    uint32_t rate_burst; // attempts at once; 0: those of a second, at least one
    uint32_t breaker_failures; // in a row; 0: the breaker never opens
    int64_t breaker_wait_us, breaker_wait_max_us;
};

enum breaker { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_PROBING };

struct throttle {
    uint32_t window_q8; // attempts in flight, in 256ths
    uint32_t
        slow_start_limit_q8; // below, the window grows by one with each answer
    uint32_t recent;         // a bit for each of the last outcomes; 1: failure
    uint32_t n_recent;
    uint32_t n_failed_in_row;
    enum breaker breaker;
    int64_t breaker_wait_us;
    int64_t breaker_until_us; // set by the breaker
    int64_t wait_until_us; // set by the receiver's wish (Retry-After), or by us
    double tokens;
    int64_t tokens_at_us; // 0: the bucket is full
};

#define THROTTLE_AWAIT_RESULT INT64_MAX // ask again when an attempt has ended

void throttle_init(struct throttle *p, uint32_t window);

// When one more attempt may be sent, with `n_sent` in flight. `now_us` or earlier: now.
// THROTTLE_AWAIT_RESULT: not before an attempt ends.
int64_t throttle_next_us(struct throttle *p,
                         const struct throttle_limits *limits, uint32_t n_sent,
                         int64_t now_us);

// Nothing is sent before this time (monotonic), because of the breaker, or of what the
// receiver has asked for. In the past: no such reason.
int64_t throttle_not_before_us(const struct throttle *p);

// An attempt is sent now. True: it is the probe of an open breaker.
bool throttle_sent(struct throttle *p, const struct throttle_limits *limits,
                   int64_t now_us);

// An attempt has ended with this feedback. `wait_us`: how long nothing shall be sent
// (Retry-After; 0: no wish). `jitter` is uniform over uint32_t and spreads probes by 20
// %. Returns whether the breaker opened or closed because of it.
enum throttle_change { THROTTLE_SAME, THROTTLE_OPENED, THROTTLE_CLOSED };
enum throttle_change throttle_ended(struct throttle *p,
                                    const struct throttle_limits *limits,
                                    enum feedback feedback, int64_t now_us,
                                    int64_t wait_us, uint32_t jitter);

// Shrinks the window to `window` after a pause, so that the backlog does not reach the
// receiver all at once. What is known of the receiver is kept, also an open breaker.
void throttle_begin_slowly(struct throttle *p, uint32_t window);

// Nothing is sent before this time (monotonic).
void throttle_wait(struct throttle *p, int64_t until_us);

// An attempt that was counted by throttle_sent() is not made after all. If it was the
// probe, throttle_lost() is to be called as well.
void throttle_returned(struct throttle *p,
                       const struct throttle_limits *limits);

// The outcome of the probe in flight will never be known (its sender died), or says
// nothing about the receiver. (Without a breaker that probes, nothing happens.)
void throttle_lost(struct throttle *p);

uint32_t throttle_window(const struct throttle *p,
                         const struct throttle_limits *limits);

#endif
