// SPDX-License-Identifier: MIT
// test_failing.c — when a hook counts as failing, what is reported of it, and the
// record that keeps it.

#include <string.h>

#include "common/base/codec.h"
#include "engine/delivery/failing.h"
#include "queue/queue.h"
#include "queue/records/schema.h"
#include "tests/support/unit.h"

#define S_MS INT64_C(1000)
#define M_MS (60 * S_MS)
#define H_MS (60 * M_MS)
#define D_MS (24 * H_MS)

static const struct failing_rules rules = { .failing_after = 10,
                                            .disable_after_ms = 100 * H_MS,
                                            .longest_gap_ms = 24 * H_MS };

static struct failing_attempt ended(uint16_t code, int64_t ran_ms)
{
    return (struct failing_attempt){ .succeeded = code == 200,
                                     .error = code == 200 ? ERROR_NONE
                                              : code == 0 ? ERROR_CONNECT
                                                          : ERROR_STATUS,
                                     .response_code = code,
                                     .ran_ms = ran_ms,
                                     .now_ms = 1700000000000 + ran_ms };
}

static struct failing_news hear(struct hook_health *h,
                                const struct failing_rules *by, uint16_t code,
                                int64_t ran_ms)
{
    struct failing_attempt end = ended(code, ran_ms);

    return failing_after_attempt(h, by, &end);
}

static void assert_reason(const struct hook_health *h, const char *expected)
{
    struct buf text;

    buf_init(&text, 0);
    hook_health_put_reason(h, &text);
    assert_string_equal(buf_cstr(&text), expected);
    buf_clear(&text);
}

static void a_number_of_failures_in_a_row_is_one_alarm(void **state)
{
    struct hook_health h = { 0 };
    unsigned n_alarms = 0;

    (void)state;
    for (int i = 1; i <= 50; i++) {
        struct failing_news news = hear(&h, &rules, 500, i * S_MS);

        n_alarms += news.n_percents;
        assert_int_equal(n_alarms, i >= 10);
        assert_int_equal(h.cause != FAILING_NOT, i >= 10);
        assert_false(news.must_disable);
    }
    assert_int_equal(h.cause, FAILING_COUNT);
    assert_reason(&h, "the last 50 attempts were answered 500 Internal Server "
                      "Error, since 2023-11-14T22:13:21.000Z");
}

static void one_success_ends_it_once(void **state)
{
    struct hook_health h = { 0 };

    (void)state;
    for (int i = 1; i <= 9; i++)
        hear(&h, &rules, 401, i);
    assert_false(hear(&h, &rules, 200, 10).has_recovered); // there was no alarm
    assert_true(hook_health_is_empty(&h));
    assert_true(failing_is_clear(&h));
    for (int i = 11; i <= 20; i++)
        hear(&h, &rules, 401, i);
    assert_int_equal(h.cause, FAILING_COUNT);
    assert_false(failing_is_clear(&h));
    assert_true(hear(&h, &rules, 200, 21).has_recovered);
    assert_true(failing_is_clear(&h));
    assert_int_equal(h.cause, FAILING_NOT);
    assert_reason(&h, "");
    assert_false(hear(&h, &rules, 200, 22).has_recovered);
    assert_false(hear(&h, &rules, 200, 23).is_changed);
}

static void a_hook_that_flaps_is_an_alarm_a_minute(void **state)
{
    struct hook_health h = { 0 };
    unsigned n_alarms = 0;
    unsigned n_ends = 0;

    (void)state;
    for (int64_t ms = 1; ms <= 10 * M_MS; ms += 100) { // success each second
        uint16_t code = ms % 1100 < 100 ? 200 : 500;
        struct failing_news news = hear(&h, &rules, code, ms);

        n_alarms += news.n_percents;
        n_ends += news.has_recovered;
    }
    assert_int_equal(n_alarms, 10);
    assert_in_range(n_ends, 9, 10);
}

static void an_alarm_that_had_to_wait_is_reported_later(void **state)
{
    struct hook_health h = { 0 };
    struct failing_news news = { 0 };

    (void)state;
    for (int i = 1; i <= 10; i++)
        news = hear(&h, &rules, 500, i);
    assert_int_equal(news.n_percents, 1);
    assert_false(news.is_late);
    hear(&h, &rules, 200, 5 * S_MS);
    for (int i = 1; i <= 10; i++)
        news = hear(&h, &rules, 500, 6 * S_MS);
    assert_int_equal(news.n_percents, 0);
    assert_true(news.is_late);
    assert_int_equal(h.cause, FAILING_COUNT);
    news = failing_report_late(&h, &rules, M_MS);
    assert_int_equal(news.n_percents, 0);
    assert_true(news.is_late);
    news = failing_report_late(&h, &rules, M_MS + 10);
    assert_int_equal(news.n_percents, 1);
    assert_true(news.is_changed);
    assert_false(news.is_late);
    assert_int_equal(failing_report_late(&h, &rules, H_MS).n_percents, 0);
    assert_true(hear(&h, &rules, 200, H_MS).has_recovered);
    // If the hook recovers before the alarm, neither is reported.
    for (int i = 1; i <= 10; i++)
        hear(&h, &rules, 500, H_MS + i);
    hear(&h, &rules, 200, H_MS + 20);
    for (int i = 1; i <= 10; i++)
        hear(&h, &rules, 500, H_MS + 30 + i);
    assert_false(hear(&h, &rules, 200, H_MS + 50).has_recovered);
    news = failing_report_late(&h, &rules, 2 * H_MS);
    assert_int_equal(news.n_percents, 0);
    assert_false(news.is_late);
}

static void an_hour_without_a_success_is_an_alarm(void **state)
{
    struct hook_health h = { 0 };

    (void)state;
    hear(&h, &rules, 404, 1);
    hear(&h, &rules, 404, 40 * M_MS);
    assert_int_equal(h.cause, FAILING_NOT);
    assert_int_equal(hear(&h, &rules, 500, 61 * M_MS).n_percents, 1);
    assert_int_equal(h.cause, FAILING_HOUR);
    assert_reason(&h, "the last 3 attempts failed; the newest was answered 500 "
                      "Internal Server Error, since 2023-11-14T22:13:20.001Z");
    // Two attempts are too few.
    memset(&h, 0, sizeof(h));
    hear(&h, &rules, 404, 1);
    hear(&h, &rules, 404, 3 * H_MS);
    assert_int_equal(h.cause, FAILING_NOT);
}

static void a_breaker_that_opens_is_an_alarm(void **state)
{
    struct hook_health h = { 0 };
    struct failing_attempt end = ended(0, 5);

    (void)state;
    end.opened_breaker = true;
    assert_int_equal(failing_after_attempt(&h, &rules, &end).n_percents, 1);
    assert_reason(&h, "half of the last 20 attempts failed; the newest could "
                      "not connect");
    assert_int_equal(failing_after_attempt(&h, &rules, &end).n_percents, 0);
    assert_reason(&h, "the last 2 attempts could not connect, since "
                      "2023-11-14T22:13:20.005Z");
}

static void shares_of_the_time_are_reported_once_each(void **state)
{
    struct hook_health h = { 0 };
    uint8_t told[8];
    unsigned n = 0;
    int64_t disabled_at_h = 0;

    (void)state;
    for (int64_t at_h = 0; at_h <= 120; at_h++) {
        struct failing_news news = hear(&h, &rules, 500, at_h * H_MS + 1);

        for (unsigned i = 0; i < news.n_percents; i++) {
            assert_true(n < sizeof(told));
            assert_in_range(news.percents[i], n == 0 ? 0 : at_h, at_h + 1);
            told[n++] = news.percents[i];
        }
        if (news.must_disable && disabled_at_h == 0)
            disabled_at_h = at_h;
    }
    assert_int_equal(n, 5);
    assert_int_equal(told[0], 2); // at the alarm
    assert_memory_equal(&told[1], ((uint8_t[]){ 50, 70, 90, 100 }), 4);
    assert_int_equal(disabled_at_h, 100);
}

static void shares_that_pass_at_once_are_all_reported(void **state)
{
    const struct failing_rules quick = { .failing_after = 10,
                                         .disable_after_ms = 8 * S_MS,
                                         .longest_gap_ms = H_MS };
    struct hook_health h = { 0 };
    struct failing_news news;

    (void)state;
    hear(&h, &quick, 500, 1);
    news = hear(&h, &quick, 500, 6 * S_MS);
    assert_int_equal(h.cause, FAILING_HALF);
    assert_int_equal(news.n_percents, 2);
    assert_int_equal(news.percents[1], 70);
    news = hear(&h, &quick, 500, 60 * S_MS);
    assert_int_equal(news.n_percents, 2);
    assert_int_equal(news.percents[0], 90);
    assert_int_equal(news.percents[1], 100);
    assert_true(news.must_disable);
}

static void time_counts_while_attempts_are_made(void **state)
{
    const struct failing_rules hourly = { .failing_after = 10,
                                          .disable_after_ms = 5 * H_MS,
                                          .longest_gap_ms = H_MS };
    static const struct {
        int64_t gap_ms; // of running time, between two failures
        int64_t counts_ms;
    } cases[] = {
        { 0, 0 },
        { 10 * M_MS, 10 * M_MS },
        { H_MS, H_MS },
        { 144 * H_MS, H_MS }, // nothing was sent for six days
        { -144 * H_MS, 0 },   // another shard's time
    };
    struct hook_health h = { 0 };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        memset(&h, 0, sizeof(h));
        hear(&h, &hourly, 500, 500 * H_MS);
        hear(&h, &hourly, 500, 500 * H_MS + cases[i].gap_ms);
        assert_int_equal(h.failing_ms, cases[i].counts_ms);
    }
}

static void the_wall_clock_switches_nothing_off(void **state)
{
    struct hook_health h = { 0 };
    struct failing_attempt end = ended(500, S_MS);

    (void)state;
    failing_after_attempt(&h, &rules, &end);
    end.ran_ms += S_MS;
    end.now_ms += 6 * D_MS;
    assert_false(failing_after_attempt(&h, &rules, &end).must_disable);
    assert_int_equal(h.failing_ms, S_MS);
    end.now_ms = 5; // to 1970: for people, it fails since then
    failing_after_attempt(&h, &rules, &end);
    assert_int_equal(h.failing_since_ms, 5);
    assert_int_equal(h.n_failed, 3);
}

static void what_somebody_switched_on_again_begins_anew(void **state)
{
    struct hook_health h = { 0 };

    (void)state;
    for (int i = 1; i <= 10; i++)
        hear(&h, &rules, 500, i * H_MS);
    assert_true(failing_reset(&h));
    assert_false(failing_reset(&h));
    assert_int_equal(h.cause, FAILING_NOT);
    assert_int_equal(h.failing_ms, 0);
    for (int i = 11; i <= 19; i++)
        assert_int_equal(hear(&h, &rules, 500, i * H_MS).n_percents, i == 13);
    assert_true(hear(&h, &rules, 200, 20 * H_MS).has_recovered);
    assert_false(hear(&h, &rules, 200, 20 * H_MS).has_recovered);
    // The end of an alarm is reported although the hook was switched on in between.
    for (int i = 21; i <= 30; i++)
        hear(&h, &rules, 500, i * H_MS);
    failing_reset(&h);
    assert_true(hear(&h, &rules, 200, 31 * H_MS).has_recovered);
}

static void limits_of_zero_are_no_limits(void **state)
{
    const struct failing_rules none = { .longest_gap_ms = 10 * M_MS };
    struct hook_health h = { 0 };

    (void)state;
    for (int i = 1; i <= 50; i++) {
        struct failing_news news = hear(&h, &none, 500, i * S_MS);

        assert_int_equal(news.n_percents, 0);
        assert_false(news.must_disable);
    }
    assert_int_equal(failing_percent(&h, 0), 0);
}

static void dead_letters_are_an_event_a_minute(void **state)
{
    struct hook_health h = { 0 };

    (void)state;
    assert_int_equal(failing_dead_wait_ms(&h, 5), 0);
    h.dead_told_at_ran_ms = 5;
    assert_int_equal(failing_dead_wait_ms(&h, 5), M_MS);
    assert_int_equal(failing_dead_wait_ms(&h, 30 * S_MS), 30 * S_MS + 5);
    assert_int_equal(failing_dead_wait_ms(&h, M_MS + 5), 0);
    h.dead_told_at_ran_ms = H_MS; // by another shard's time
    assert_int_equal(failing_dead_wait_ms(&h, M_MS), 0);
}

// --- the record ---

static void health_is_read_as_it_was_written(void **state)
{
    const struct unreported_dead dead = { .n = 3,
                                          .first = { { 1, 2 } },
                                          .last = { { 3, 4 } },
                                          .newest = STR("{\"id\":\"x\"}") };
    const struct hook_health h = { .failing_since_ms = 1700000000000,
                                   .told_disabled_at_ms = 2,
                                   .failing_ms = 3,
                                   .failed_at_ran_ms = 4,
                                   .alarmed_at_ran_ms = 5,
                                   .dead_told_at_ran_ms = 6,
                                   .n_failed = 70000,
                                   .n_same = 8,
                                   .response_code = 503,
                                   .error = ERROR_STATUS,
                                   .cause = FAILING_HALF,
                                   .percent_told = 70,
                                   .is_alarmed = true,
                                   .is_end_owed = true,
                                   .dead = &dead };
    struct unreported_dead read_dead;
    struct hook_health read;
    struct buf b;

    (void)state;
    buf_init(&b, 0);
    health_encode(&h, &b);
    assert_true(b.n_bytes != HEALTH_FIRST_BYTES);
    assert_int_equal(
        health_decode(RECORD_NOWHERE, buf_str(&b), &read, &read_dead), OK);
    assert_ptr_equal(read.dead, &read_dead);
    assert_int_equal(read_dead.n, 3);
    assert_true(id_eq(&read_dead.first, &dead.first));
    assert_true(id_eq(&read_dead.last, &dead.last));
    assert_true(str_eq(read_dead.newest, dead.newest));
    assert_int_equal(read.failing_since_ms, h.failing_since_ms);
    assert_int_equal(read.told_disabled_at_ms, 2);
    assert_int_equal(read.failing_ms, 3);
    assert_int_equal(read.failed_at_ran_ms, 4);
    assert_int_equal(read.alarmed_at_ran_ms, 5);
    assert_int_equal(read.dead_told_at_ran_ms, 6);
    assert_int_equal(read.n_failed, 70000);
    assert_int_equal(read.n_same, 8);
    assert_int_equal(read.response_code, 503);
    assert_int_equal(read.error, ERROR_STATUS);
    assert_int_equal(read.cause, FAILING_HALF);
    assert_int_equal(read.percent_told, 70);
    assert_true(read.is_alarmed && read.is_end_owed);
    for (size_t i = 0; i < b.n_bytes; i++) { // any damage is found
        b.at[i] = (char)(b.at[i] ^ 0x10);
        assert_int_equal(
            health_decode(RECORD_NOWHERE, buf_str(&b), &read, &read_dead),
            ERR_CORRUPT);
        b.at[i] = (char)(b.at[i] ^ 0x10);
    }
    buf_clear(&b);
}

static void health_of_an_older_engine_is_understood(void **state)
{
    uint8_t bytes[16] = { 0 };
    struct unreported_dead dead;
    struct hook_health h;
    struct failing_news news;

    (void)state;
    put_be64(bytes, 1700000000000 - 6 * D_MS);
    put_be64(bytes + 8, 9);
    assert_int_equal(health_decode(RECORD_NOWHERE,
                                   (struct str){ (const char *)bytes, 16 }, &h,
                                   &dead),
                     OK);
    assert_int_equal(h.failing_since_ms, 1700000000000 - 6 * D_MS);
    assert_int_equal(h.told_disabled_at_ms, 9);
    assert_null(h.dead);
    assert_int_equal(h.cause, FAILING_NOT);
    // The hook fails since then, but it is not known in how much of this time attempts
    // were made.
    news = hear(&h, &rules, 500, 1);
    assert_false(news.must_disable);
    assert_int_equal(h.failing_since_ms, 1700000000000 - 6 * D_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_number_of_failures_in_a_row_is_one_alarm),
        cmocka_unit_test(one_success_ends_it_once),
        cmocka_unit_test(a_hook_that_flaps_is_an_alarm_a_minute),
        cmocka_unit_test(an_alarm_that_had_to_wait_is_reported_later),
        cmocka_unit_test(an_hour_without_a_success_is_an_alarm),
        cmocka_unit_test(a_breaker_that_opens_is_an_alarm),
        cmocka_unit_test(shares_of_the_time_are_reported_once_each),
        cmocka_unit_test(shares_that_pass_at_once_are_all_reported),
        cmocka_unit_test(time_counts_while_attempts_are_made),
        cmocka_unit_test(the_wall_clock_switches_nothing_off),
        cmocka_unit_test(what_somebody_switched_on_again_begins_anew),
        cmocka_unit_test(limits_of_zero_are_no_limits),
        cmocka_unit_test(dead_letters_are_an_event_a_minute),
        cmocka_unit_test(health_is_read_as_it_was_written),
        cmocka_unit_test(health_of_an_older_engine_is_understood),
    };

    return cmocka_run_group_tests_name("failing", tests, NULL, NULL);
}
