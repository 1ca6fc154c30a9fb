// SPDX-License-Identifier: MIT
// failing.c — when a hook counts as failing, and what is reported about it.

#include "engine/delivery/failing.h"

static const uint8_t steps[FAILING_NEWS_MAX] = { 50, 70, 90, 100 };

// Whether the interval has passed since `then_ms` (0: never). A time in the future
// comes from another shard, which has a running time of its own.
static bool has_passed(int64_t then_ms, int64_t ran_ms)
{
    return then_ms == 0 || then_ms > ran_ms ||
           ran_ms - then_ms >= ALARM_INTERVAL_MS;
}

uint8_t failing_percent(const struct hook_health *health,
                        int64_t disable_after_ms)
{
    if (disable_after_ms <= 0)
        return 0;
    if (health->failing_ms >= disable_after_ms)
        return 100;
    return (uint8_t)(health->failing_ms * 100 / disable_after_ms);
}

static void add_time(struct hook_health *health,
                     const struct failing_rules *rules,
                     const struct failing_attempt *end)
{
    int64_t gap_ms = end->ran_ms - health->failed_at_ran_ms;

    if (gap_ms > rules->longest_gap_ms)
        gap_ms = rules->longest_gap_ms;
    if (health->n_failed > 0 && gap_ms > 0)
        health->failing_ms += gap_ms;
    health->failed_at_ran_ms = end->ran_ms;
    if (health->failing_since_ms == 0 ||
        health->failing_since_ms > end->now_ms) // the wall clock went back
        health->failing_since_ms = end->now_ms;
}

static void count(struct hook_health *health, const struct failing_attempt *end)
{
    bool is_same = health->n_failed > 0 && health->error == end->error &&
                   health->response_code == end->response_code;

    if (!is_same)
        health->n_same = 0;
    if (health->n_failed < UINT32_MAX) {
        health->n_failed++;
        health->n_same++;
    }
    health->error = end->error;
    health->response_code = end->response_code;
}

static enum failing_cause cause_of(const struct hook_health *health,
                                   const struct failing_rules *rules,
                                   const struct failing_attempt *end)
{
    if (end->opened_breaker)
        return FAILING_BREAKER;
    if (rules->failing_after > 0 && health->n_failed >= rules->failing_after)
        return FAILING_COUNT;
    if (health->failing_ms >= FAILING_HOUR_MS &&
        health->n_failed >= FAILING_HOUR_ATTEMPTS)
        return FAILING_HOUR;
    if (failing_percent(health, rules->disable_after_ms) >= steps[0])
        return FAILING_HALF;
    return FAILING_NOT;
}

static void report(struct hook_health *health,
                   const struct failing_rules *rules, int64_t ran_ms,
                   struct failing_news *news)
{
    uint8_t percent = failing_percent(health, rules->disable_after_ms);

    for (unsigned i = 0; i < FAILING_NEWS_MAX; i++) {
        if (percent >= steps[i] && health->percent_told < steps[i])
            news->percents[news->n_percents++] = steps[i];
    }
    if (news->n_percents > 0)
        health->percent_told = news->percents[news->n_percents - 1];
    if (news->n_percents == 0 && !health->is_alarmed &&
        has_passed(health->alarmed_at_ran_ms, ran_ms))
        news->percents[news->n_percents++] = percent;
    if (news->n_percents > 0) {
        health->is_alarmed = true;
        health->is_end_owed = true;
        health->alarmed_at_ran_ms = ran_ms > 0 ? ran_ms : 1;
        news->is_changed = true;
    }
    news->is_late = !health->is_alarmed;
}

static bool has_failed(const struct hook_health *health)
{
    return health->failing_since_ms != 0 || health->n_failed > 0 ||
           health->cause != FAILING_NOT;
}

bool failing_reset(struct hook_health *health)
{
    bool is_change = has_failed(health);

    health->failing_since_ms = 0;
    health->failing_ms = 0;
    health->failed_at_ran_ms = 0;
    health->n_failed = 0;
    health->n_same = 0;
    health->response_code = 0;
    health->error = ERROR_NONE;
    health->cause = FAILING_NOT;
    health->percent_told = 0;
    health->is_alarmed = false;
    return is_change;
}

bool failing_is_clear(const struct hook_health *health)
{
    return !has_failed(health) && !health->is_end_owed;
}

struct failing_news failing_after_attempt(struct hook_health *health,
                                          const struct failing_rules *rules,
                                          const struct failing_attempt *end)
{
    struct failing_news news = { .n_percents = 0 };

    if (end->succeeded) {
        news.has_recovered = health->is_end_owed;
        health->is_end_owed = false;
        news.is_changed = failing_reset(health) || news.has_recovered;
        return news;
    }
    add_time(health, rules, end);
    count(health, end);
    if (health->cause == FAILING_NOT)
        health->cause = cause_of(health, rules, end);
    if (health->cause != FAILING_NOT)
        report(health, rules, end->ran_ms, &news);
    news.must_disable = rules->disable_after_ms > 0 &&
                        health->failing_ms >= rules->disable_after_ms;
    news.is_changed = true;
    return news;
}

struct failing_news failing_report_late(struct hook_health *health,
                                        const struct failing_rules *rules,
                                        int64_t ran_ms)
{
    struct failing_news news = { .n_percents = 0 };

    if (health->cause != FAILING_NOT && !health->is_alarmed)
        report(health, rules, ran_ms, &news);
    return news;
}

int64_t failing_dead_wait_ms(const struct hook_health *health, int64_t ran_ms)
{
    if (has_passed(health->dead_told_at_ran_ms, ran_ms))
        return 0;
    return health->dead_told_at_ran_ms + ALARM_INTERVAL_MS - ran_ms;
}
