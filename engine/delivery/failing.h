// SPDX-License-Identifier: MIT
// failing.h — when a hook counts as failing, and what is reported about it. Pure: no
// clock, no I/O.
//
// A hook fails while its attempts fail, whatever the reason, until one succeeds.
// It counts as failing, which is an alarm, when
//   - as many attempts in a row have failed as the setting failing_after says, or
//   - every attempt of an hour failed, and these were FAILING_HOUR_ATTEMPTS or
//     more: two may be a receiver that is restarted, and an hour without an
//     attempt says nothing, or
//   - its breaker opened, or
//   - half of the time that switches it off has passed.
//
// Time counts while attempts are made: from one failed attempt to the next, by
// the running time of the dispatchers, and at most the longest that a hook's
// schedule waits. So an engine that is off, a wall clock that jumps, and a hook
// that has nothing to send bring no hook nearer to being switched off.

#ifndef ENGINE_DELIVERY_FAILING_H
#define ENGINE_DELIVERY_FAILING_H

#include <stdbool.h>
#include <stdint.h>

#include "queue/queue.h"

#define FAILING_HOUR_MS       INT64_C(3600000)
#define FAILING_HOUR_ATTEMPTS 3

// A hook that fails and recovers in turns raises an alarm at most once a minute. Its
// dead letters are reported by at most one event a minute.
#define ALARM_INTERVAL_MS INT64_C(60000)

struct failing_rules {
    uint32_t failing_after;   // attempts in a row; 0: no alarm by their number
    int64_t disable_after_ms; // 0: the hook is never switched off
    int64_t longest_gap_ms;   // between two attempts, by the hook's schedule
};

// An attempt that has ended.
struct failing_attempt {
    bool succeeded;
    bool opened_breaker;
    enum error_class error;
    uint16_t response_code; // 0: no response
    int64_t ran_ms;         // running time of the shard
    int64_t now_ms;         // UTC epoch, for people
};

#define FAILING_NEWS_MAX 4

// What is to be reported about a hook, and done.
struct failing_news {
    // An event posthorn.hook.failing for each: the share of disable_after that has
    // passed, in percent. 50, 70, 90 and 100 when it is reached, or the share at the
    // alarm.
    uint8_t percents[FAILING_NEWS_MAX];
    unsigned n_percents;
    bool has_recovered; // posthorn.hook.recovered
    bool must_disable;
    bool is_changed; // `health` has changed
    bool is_late;    // an alarm waits for failing_report_late()
};

// Whether a success would change nothing, as with most attempts.
bool failing_is_clear(const struct hook_health *health);

// Takes an attempt into account.
struct failing_news failing_after_attempt(struct hook_health *health,
                                          const struct failing_rules *rules,
                                          const struct failing_attempt *end);

// Reports an alarm that had to wait because another was reported within the last
// minute. If the result has is_late, it still has to wait.
struct failing_news failing_report_late(struct hook_health *health,
                                        const struct failing_rules *rules,
                                        int64_t ran_ms);

// Resets the health of a hook that somebody switched on, as if no attempt had failed,
// except that the end of an alarm that was reported will be reported, too. False: no
// change.
bool failing_reset(struct hook_health *health);

// The share of disable_after that has passed, in percent, at most 100.
uint8_t failing_percent(const struct hook_health *health,
                        int64_t disable_after_ms);

// How long an event about dead letters must wait, because one was made within the last
// minute.
int64_t failing_dead_wait_ms(const struct hook_health *health, int64_t ran_ms);

#endif
