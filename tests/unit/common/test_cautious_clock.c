// SPDX-License-Identifier: MIT
// test_cautious_clock.c — what is old enough to be removed, while the wall clock is changed.

#include "common/process/cautious_clock.h"
#include "tests/support/unit.h"

#define S   INT64_C(1000000)
#define H   (3600 * S)
#define D   (24 * H)
#define Y   (365 * D)
#define NOW (INT64_C(1800000000) * S)

static void a_leap_is_believed_after_it_has_lasted(void **state)
{
    static const int64_t leaps[] = { H + 1, D, Y, 13 * Y };
    struct cautious_clock c;

    (void)state;
    for (size_t i = 0; i < sizeof(leaps) / sizeof(leaps[0]); i++) {
        cautious_clock_init(&c, 0, NOW, 0);
        for (int64_t t = S; t < 600 * S; t += S) {
            assert_true(cautious_clock_now_us(&c, NOW + leaps[i] + t, t) ==
                        NOW + t);
        }
        assert_true(cautious_clock_now_us(&c, NOW + leaps[i] + 601 * S,
                                          601 * S) == NOW + leaps[i] + 601 * S);
    }
}

static void a_leap_that_is_taken_back_has_never_been(void **state)
{
    struct cautious_clock c;

    (void)state;
    cautious_clock_init(&c, 0, NOW, 0);
    assert_true(cautious_clock_now_us(&c, NOW + Y, S) == NOW + S);
    assert_true(cautious_clock_now_us(&c, NOW + 2 * S, 2 * S) == NOW + 2 * S);
    assert_false(c.is_leaping);
    assert_true(cautious_clock_now_us(&c, NOW + Y, 700 * S) == NOW + 700 * S);
}

static void small_steps_and_steps_back_are_believed_at_once(void **state)
{
    static const int64_t steps[] = { 0, S, H, -S, -H, -D, -Y, -NOW };
    struct cautious_clock c;

    (void)state;
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        cautious_clock_init(&c, 0, NOW, 0);
        assert_true(cautious_clock_now_us(&c, NOW + steps[i], 0) ==
                    NOW + steps[i]);
    }
}

static void a_start_compares_with_what_the_disk_remembers(void **state)
{
    struct cautious_clock c;

    (void)state;
    cautious_clock_init(&c, NOW, NOW + Y, 0);
    assert_true(cautious_clock_now_us(&c, NOW + Y + S, S) == NOW + S);
    cautious_clock_init(&c, NOW, NOW - Y, 0);
    assert_true(cautious_clock_now_us(&c, NOW - Y + S, S) == NOW - Y + S);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_leap_is_believed_after_it_has_lasted),
        cmocka_unit_test(a_leap_that_is_taken_back_has_never_been),
        cmocka_unit_test(small_steps_and_steps_back_are_believed_at_once),
        cmocka_unit_test(a_start_compares_with_what_the_disk_remembers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
