// SPDX-License-Identifier: MIT
// failing.h — when a hook counts as failing, and what is reported of it. Pure: no
// clock, no I/O.
//
// A hook fails while its attempts fail, whatever the reason, until one succeeds.
// It counts as failing, which is an alarm, when
//   - as many attempts in a row failed as the setting failing_after says, or
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

// A hook that fails and recovers in turns is an alarm once a minute. Dead letters
// of a hook are an event once a minute, too.
#define ALARM_INTERVAL_MS INT64_C(60000)

struct failing_rules {
    uint32_t failing_after;   // attempts in a row; 0: their number is no alarm
    int64_t disable_after_ms; // 0: it is never switched off
    int64_t longest_gap_ms;   // between two attempts, as its schedule has it
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

// What is to be reported of it, and done.
struct failing_news {
    // posthorn.hook.failing: an event for each. The share of disable_after in
    // percent: 50, 70, 90 and 100 when it is reached, or where it is at the alarm.
    uint8_t percents[FAILING_NEWS_MAX];
    unsigned n_percents;
    bool has_recovered; // posthorn.hook.recovered
    bool must_disable;
    bool is_changed; // `health` is not what it was
    bool is_late;    // there is an alarm that waits: failing_report_late()
};

// A success changes nothing: so it is with most attempts.
bool failing_is_clear(const struct hook_health *health);

// Takes an attempt into account.
struct failing_news failing_after_attempt(struct hook_health *health,
                                          const struct failing_rules *rules,
                                          const struct failing_attempt *end);

// Reports an alarm that had to wait, for one was reported within the last minute.
// is_late: it still has to.
struct failing_news failing_report_late(struct hook_health *health,
                                        const struct failing_rules *rules,
                                        int64_t ran_ms);

// It begins anew, since somebody switched it on: as if nothing had failed, but
// the end of an alarm that was reported is reported, too. False: no change.
bool failing_reset(struct hook_health *health);

// The share of disable_after that has passed, in percent, at most 100.
uint8_t failing_percent(const struct hook_health *health,
                        int64_t disable_after_ms);

// How long an event about dead letters must wait, for one was made lately.
int64_t failing_dead_wait_ms(const struct hook_health *health, int64_t ran_ms);

#endif
