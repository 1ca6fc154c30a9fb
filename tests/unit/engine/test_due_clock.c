// SPDX-License-Identifier: MIT
// test_due_clock.c — the clock of due times, while the wall clock is changed.

#include "engine/dispatcher/loop/due_clock.h"
#include "tests/support/unit.h"

#define S_MS INT64_C(1000)
#define H_MS (3600 * S_MS)
#define D_MS (24 * H_MS)
#define Y_MS (365 * D_MS)
#define NOW  (INT64_C(1800000000) * S_MS)

// Steps of the wall clock, in a row; between any two, 10 s pass.
static const int64_t steps_ms[] = {
    0,     H_MS,  -H_MS, -H_MS, D_MS,      -D_MS, Y_MS, -Y_MS,
    -NOW,                                  // to 1970
    NOW,   -1,    1,     -999,  13 * Y_MS, // past 2038
    -D_MS, -S_MS, 0,
};

static void ten_seconds_are_ten_seconds_unless_time_leaps_on(void **state)
{
    struct due_clock c;
    int64_t wall_ms = NOW;
    int64_t mono_us = 77;
    int64_t before_ms;

    (void)state;
    due_clock_init(&c, 0, 0, wall_ms, mono_us);
    before_ms = due_clock_now_ms(&c, wall_ms, mono_us);
    assert_true(before_ms == NOW);
    for (size_t i = 0; i < sizeof(steps_ms) / sizeof(steps_ms[0]); i++) {
        int64_t now_ms;

        wall_ms += 10 * S_MS + steps_ms[i];
        mono_us += 10 * S_MS * 1000;
        now_ms = due_clock_now_ms(&c, wall_ms, mono_us);
        // The clock may lag by a second, not more.
        assert_true(now_ms - before_ms >= 9 * S_MS);
        if (steps_ms[i] <= 0)
            assert_true(now_ms - before_ms <= 11 * S_MS);
        assert_true(due_clock_wall_ms(&c, now_ms) - wall_ms <= S_MS);
        before_ms = now_ms;
    }
}

static void it_never_goes_back_between_two_readings(void **state)
{
    uint32_t r = 1;
    struct due_clock c;
    int64_t mono_us = 0;
    int64_t before_ms;

    (void)state;
    due_clock_init(&c, 0, 0, NOW, 0);
    before_ms = NOW;
    for (int i = 0; i < 100000; i++) {
        int64_t now_ms;

        r = r * 1664525 + 1013904223;
        mono_us += (r >> 8) % 5000;
        now_ms = due_clock_now_ms(
            &c, NOW + (int64_t)((r >> 4) % 100000000) - 50000000, mono_us);
        assert_true(now_ms >= before_ms);
        before_ms = now_ms;
    }
}

static void a_start_goes_on_from_what_the_shard_remembers(void **state)
{
    struct due_clock c;

    (void)state;
    due_clock_init(&c, NOW, 5 * S_MS, NOW - D_MS, 0); // set back while off
    assert_true(due_clock_now_ms(&c, NOW - D_MS, 0) == NOW);
    assert_true(due_clock_now_ms(&c, NOW - D_MS + S_MS, S_MS * 1000) ==
                NOW + S_MS);
    assert_true(due_clock_wall_ms(&c, NOW + S_MS) == NOW - D_MS + S_MS);
    due_clock_init(&c, NOW, 0, NOW + 6 * D_MS, 0); // off for six days
    assert_true(due_clock_now_ms(&c, NOW + 6 * D_MS, 0) == NOW + 6 * D_MS);
}

static void what_was_accepted_is_in_the_past(void **state)
{
    struct due_clock c;

    (void)state;
    due_clock_init(&c, 0, 0, NOW, 0);
    due_clock_saw(&c, NOW - D_MS);
    assert_true(due_clock_now_ms(&c, NOW, 0) == NOW);
    due_clock_saw(&c, NOW + D_MS);
    assert_true(due_clock_now_ms(&c, NOW + 1, 1000) == NOW + D_MS + 1);
}

static void running_time_is_of_the_monotonic_clock_alone(void **state)
{
    struct due_clock c;

    (void)state;
    due_clock_init(&c, NOW, 3 * S_MS, NOW + 6 * D_MS, 1000000);
    assert_true(due_clock_ran_ms(&c, 1000000) == 3 * S_MS);
    due_clock_now_ms(&c, NOW + Y_MS, 3000000);
    assert_true(due_clock_ran_ms(&c, 3000000) == 5 * S_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_seconds_are_ten_seconds_unless_time_leaps_on),
        cmocka_unit_test(it_never_goes_back_between_two_readings),
        cmocka_unit_test(a_start_goes_on_from_what_the_shard_remembers),
        cmocka_unit_test(what_was_accepted_is_in_the_past),
        cmocka_unit_test(running_time_is_of_the_monotonic_clock_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
