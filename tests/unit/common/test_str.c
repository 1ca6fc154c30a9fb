// SPDX-License-Identifier: MIT
// test_str.c — borrowed texts.

#include "common/base/str.h"
#include "tests/support/unit.h"

// A literal with its NULs, so that lengths are what they are.
static void trims_to(struct str s, struct str set, struct str wanted)
{
    struct str got = str_trim(s, set);

    assert_true(str_eq(got, wanted));
    assert_true(got.n_bytes == 0 ||
                (got.at >= s.at && got.at + got.n_bytes <= s.at + s.n_bytes));
}

static void what_is_trimmed(void **state)
{
    (void)state;
    trims_to(STR("a"), STR_BLANKS, STR("a"));
    trims_to(STR(" \t a b\t "), STR_BLANKS, STR("a b"));
    trims_to(STR("\r\n\v\f a \n"), STR_SPACES, STR("a"));
    // What is not in the set stays, also a NUL.
    trims_to(STR("\r a\n "), STR_BLANKS, STR("\r a\n"));
    trims_to(STR(" \0 a \0 "), STR_SPACES, STR("\0 a \0"));
    trims_to(STR("\ta "), STR(" "), STR("\ta"));
}

static void nothing_is_left(void **state)
{
    (void)state;
    trims_to(STR_EMPTY, STR_SPACES, STR_EMPTY);
    trims_to(STR(" "), STR_BLANKS, STR_EMPTY);
    trims_to(STR("\t\n \r\v\f"), STR_SPACES, STR_EMPTY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_trimmed),
        cmocka_unit_test(nothing_is_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
