// SPDX-License-Identifier: MIT
// test_pace.c — how fast a hook may be sent to: window, breaker, rate.

#include "engine/delivery/throttle.h"
#include "tests/support/unit.h"

#define S_US INT64_C(1000000)

static const struct throttle_limits limits = { .max_inflight = 16,
                                               .breaker_failures = 5,
                                               .breaker_wait_us = 30 * S_US,
                                               .breaker_wait_max_us =
                                                   600 * S_US };

#define MIDDLE (UINT32_MAX / 2) // jitter that changes nothing

static enum throttle_change hear(struct throttle *p, enum feedback feedback,
                                 int64_t now_us)
{
    return throttle_ended(p, &limits, feedback, now_us, 0, MIDDLE);
}

static void window_starts_small_and_grows_with_answers(void **state)
{
    struct throttle p;

    (void)state;
    throttle_init(&p, 2);
    assert_int_equal(throttle_window(&p, &limits), 2);
    assert_true(throttle_next_us(&p, &limits, 1, S_US) <= S_US);
    assert_true(throttle_next_us(&p, &limits, 2, S_US) ==
                THROTTLE_AWAIT_RESULT);
    for (uint32_t i = 0; i < 5; i++)
        hear(&p, FEEDBACK_ANSWERED, S_US);
    assert_int_equal(throttle_window(&p, &limits), 7);
    for (uint32_t i = 0; i < 100; i++)
        hear(&p, FEEDBACK_ANSWERED, S_US);
    assert_int_equal(throttle_window(&p, &limits), 16);
}

static void what_goes_on_after_a_pause_begins_slowly(void **state)
{
    struct throttle p;

    (void)state;
    throttle_init(&p, 16);
    throttle_begin_slowly(&p, 2);
    assert_int_equal(throttle_window(&p, &limits), 2);
    hear(&p, FEEDBACK_ANSWERED, S_US);
    assert_int_equal(throttle_window(&p, &limits), 3);
    throttle_init(&p, 1);
    throttle_begin_slowly(&p, 2); // and never faster than it was
    assert_int_equal(throttle_window(&p, &limits), 1);
    for (uint32_t i = 0; i < 5; i++)
        hear(&p, FEEDBACK_UNREACHABLE, S_US);
    throttle_begin_slowly(&p, 2); // the breaker stays open
    assert_true(throttle_next_us(&p, &limits, 0, S_US) > S_US);
}

static void trouble_halves_the_window_and_it_grows_slowly_then(void **state)
{
    struct throttle p;
    uint32_t n = 0;

    (void)state;
    throttle_init(&p, 16);
    hear(&p, FEEDBACK_ANSWERED, S_US);
    hear(&p, FEEDBACK_OVERLOADED, S_US);
    assert_int_equal(throttle_window(&p, &limits), 8);
    while (throttle_window(&p, &limits) < 9) {
        hear(&p, FEEDBACK_ANSWERED, S_US);
        n++;
    }
    assert_in_range(n, 7, 9); // one more per round, not one per answer
    for (uint32_t i = 0; i < 4; i++)
        hear(&p, FEEDBACK_UNREACHABLE, S_US);
    assert_int_equal(throttle_window(&p, &limits), 1); // never zero
}

static void breaker_opens_after_failures_in_a_row(void **state)
{
    struct throttle p;

    (void)state;
    throttle_init(&p, 16);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(hear(&p, FEEDBACK_UNREACHABLE, S_US), THROTTLE_SAME);
    hear(&p, FEEDBACK_ANSWERED, S_US); // a refusal is an answer
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(hear(&p, FEEDBACK_OVERLOADED, S_US), THROTTLE_SAME);
    assert_int_equal(hear(&p, FEEDBACK_UNREACHABLE, S_US), THROTTLE_OPENED);
    assert_int_equal(p.breaker, BREAKER_OPEN);
    assert_in_range(throttle_next_us(&p, &limits, 0, S_US), 30 * S_US,
                    32 * S_US);
    // Attempts that were in flight when the breaker opened do not count again.
    assert_int_equal(hear(&p, FEEDBACK_UNREACHABLE, 2 * S_US), THROTTLE_SAME);
    assert_in_range(throttle_next_us(&p, &limits, 0, S_US), 30 * S_US,
                    32 * S_US);
}

static void breaker_opens_when_half_of_the_last_fail(void **state)
{
    struct throttle p;
    uint32_t n = 0;

    (void)state;
    throttle_init(&p, 16);
    while (p.breaker == BREAKER_CLOSED && n < 40) {
        hear(&p, n % 2 == 0 ? FEEDBACK_ANSWERED : FEEDBACK_UNREACHABLE, S_US);
        n++;
    }
    assert_int_equal(n, 20);
    throttle_init(&p, 16);
    for (n = 0; n < 300; n++) {
        hear(&p, n % 3 == 0 ? FEEDBACK_UNREACHABLE : FEEDBACK_ANSWERED, S_US);
        assert_int_equal(p.breaker, BREAKER_CLOSED);
    }
}

static void probes_are_single_and_their_wait_doubles(void **state)
{
    int64_t now_us = S_US;
    int64_t wait_us = 30 * S_US;
    struct throttle p;

    (void)state;
    throttle_init(&p, 16);
    for (uint32_t i = 0; i < 5; i++)
        hear(&p, FEEDBACK_UNREACHABLE, now_us);
    for (uint32_t i = 0; i < 8; i++) {
        int64_t next_us = throttle_next_us(&p, &limits, 0, now_us);

        assert_in_range(next_us - now_us, wait_us - S_US, wait_us + S_US);
        now_us = next_us;
        assert_true(throttle_next_us(&p, &limits, 0, now_us) <= now_us);
        throttle_sent(&p, &limits, now_us);
        assert_true(throttle_next_us(&p, &limits, 1, now_us) ==
                    THROTTLE_AWAIT_RESULT);
        assert_int_equal(hear(&p, FEEDBACK_UNREACHABLE, now_us), THROTTLE_SAME);
        wait_us = wait_us * 2 < 600 * S_US ? wait_us * 2 : 600 * S_US;
    }
    now_us = throttle_next_us(&p, &limits, 0, now_us);
    throttle_sent(&p, &limits, now_us);
    assert_int_equal(hear(&p, FEEDBACK_ANSWERED, now_us), THROTTLE_CLOSED);
    assert_int_equal(throttle_window(&p, &limits),
                     1); // the waiting deliveries may be sent
    assert_true(throttle_next_us(&p, &limits, 0, now_us) <= now_us); // slowly
}

static void a_lost_probe_is_made_again(void **state)
{
    struct throttle p;
    int64_t now_us;

    (void)state;
    throttle_init(&p, 16);
    for (uint32_t i = 0; i < 5; i++)
        hear(&p, FEEDBACK_UNREACHABLE, S_US);
    now_us = throttle_next_us(&p, &limits, 0, S_US);
    throttle_sent(&p, &limits, now_us);
    throttle_lost(&p);
    assert_true(throttle_next_us(&p, &limits, 0, now_us) <= now_us);
}

static void breaker_can_be_switched_off(void **state)
{
    struct throttle_limits without = limits;
    struct throttle p;

    (void)state;
    without.breaker_failures = 0;
    throttle_init(&p, 16);
    for (uint32_t i = 0; i < 100; i++) {
        assert_int_equal(
            throttle_ended(&p, &without, FEEDBACK_UNREACHABLE, S_US, 0, MIDDLE),
            THROTTLE_SAME);
    }
}

static void receivers_wish_for_a_pause_is_heeded(void **state)
{
    struct throttle p;

    (void)state;
    throttle_init(&p, 16);
    throttle_ended(&p, &limits, FEEDBACK_OVERLOADED, S_US, 7 * S_US, MIDDLE);
    assert_true(throttle_next_us(&p, &limits, 0, 2 * S_US) == 8 * S_US);
    // A shorter Retry-After does not end a longer one.
    throttle_ended(&p, &limits, FEEDBACK_OVERLOADED, S_US, 1 * S_US, MIDDLE);
    assert_true(throttle_next_us(&p, &limits, 0, 2 * S_US) == 8 * S_US);
    assert_true(throttle_next_us(&p, &limits, 0, 8 * S_US) <= 8 * S_US);
}

static void rate_is_kept_over_any_second(void **state)
{
    struct throttle_limits slow = { .max_inflight = 1000,
                                    .rate_per_minute = 600,
                                    .rate_burst = 3 };
    int64_t now_us = S_US;
    struct throttle p;
    int n = 0;

    (void)state;
    throttle_init(&p, 1000);
    while (now_us < 11 * S_US) {
        int64_t next_us = throttle_next_us(&p, &slow, 0, now_us);

        if (next_us <= now_us) {
            throttle_sent(&p, &slow, now_us);
            n++;
        } else {
            now_us = next_us;
        }
    }
    assert_in_range(n, 102, 104); // the burst, and ten per second
}

static void rates_below_one_per_second_are_kept(void **state)
{
    static const uint32_t rates[] = { 1, 7, 90 }; // per minute
    struct throttle_limits rare = { .max_inflight = 1000 };
    struct throttle p;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        int64_t now_us = S_US;
        uint32_t n = 0;

        throttle_init(&p, 1000);
        rare.rate_per_minute = rates[i];
        while (now_us < 601 * S_US) {
            int64_t next_us = throttle_next_us(&p, &rare, 0, now_us);

            if (next_us <= now_us) {
                throttle_sent(&p, &rare, now_us);
                n++;
            } else {
                now_us = next_us;
            }
        }
        assert_in_range(n, rates[i] * 10 - 1, rates[i] * 10); // ten minutes
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(window_starts_small_and_grows_with_answers),
        cmocka_unit_test(what_goes_on_after_a_pause_begins_slowly),
        cmocka_unit_test(trouble_halves_the_window_and_it_grows_slowly_then),
        cmocka_unit_test(breaker_opens_after_failures_in_a_row),
        cmocka_unit_test(breaker_opens_when_half_of_the_last_fail),
        cmocka_unit_test(probes_are_single_and_their_wait_doubles),
        cmocka_unit_test(a_lost_probe_is_made_again),
        cmocka_unit_test(breaker_can_be_switched_off),
        cmocka_unit_test(receivers_wish_for_a_pause_is_heeded),
        cmocka_unit_test(rate_is_kept_over_any_second),
        cmocka_unit_test(rates_below_one_per_second_are_kept),
    };

    return cmocka_run_group_tests_name("pace", tests, NULL, NULL);
}
