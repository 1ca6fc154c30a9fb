// SPDX-License-Identifier: MIT
// test_share.c — how much organizations may hold of a shared resource.

#include "common/config/caps.h"
#include "common/config/config.h"
#include "common/config/settings.h"
#include "common/fairness/share.h"
#include "common/fairness/turn_list.h"

#include "tests/support/unit.h"

static const struct share_limit limit = { .whole = 16,
                                          .of_one = 4,
                                          .reserve = 2 };

static enum share take(struct shares *s, uint64_t no)
{
    enum share share = shares_check(s, &limit, no, no == SHARE_ADMIN, 1);

    if (share == SHARE_THERE)
        shares_add(s, no, 1);
    return share;
}

static void each_has_its_share_and_the_admin_the_rest(void **state)
{
    struct shares s = { .n = 0 };

    (void)state;
    for (uint64_t no = 1; no <= 3; no++) {
        for (int i = 0; i < 4; i++)
            assert_int_equal(take(&s, no), SHARE_THERE);
        assert_int_equal(take(&s, no), SHARE_OF_ONE);
    }
    assert_int_equal(take(&s, 4), SHARE_THERE);
    assert_int_equal(take(&s, 4), SHARE_THERE); // 14 of 16
    assert_int_equal(take(&s, 4), SHARE_OF_ALL);
    assert_int_equal(take(&s, 5), SHARE_OF_ALL);
    assert_int_equal(take(&s, SHARE_ADMIN), SHARE_THERE);
    assert_int_equal(take(&s, SHARE_ADMIN), SHARE_THERE);
    assert_int_equal(take(&s, SHARE_ADMIN), SHARE_RESERVED);
    shares_remove(&s, 1, 1);
    assert_int_equal(take(&s, 5), SHARE_OF_ALL); // the reserve comes first
    shares_remove(&s, SHARE_ADMIN, 2);
    assert_int_equal(take(&s, 1), SHARE_THERE);
    shares_clear(&s);
}

static void the_admin_is_not_held_by_a_share(void **state)
{
    struct shares s = { .n = 0 };

    (void)state;
    shares_add(&s, 7, 9); // it made them for one organization
    assert_int_equal(shares_check(&s, &limit, 7, true, 7), SHARE_THERE);
    assert_int_equal(shares_check(&s, &limit, 7, true, 8), SHARE_RESERVED);
    assert_int_equal(shares_check(&s, &limit, 7, false, 1), SHARE_OF_ONE);
    shares_clear(&s);
}

static void a_lowered_limit_refuses_and_does_not_wrap(void **state)
{
    const struct share_limit small = { .whole = 2, .of_one = 1, .reserve = 3 };
    struct shares s = { .n = 0 };

    (void)state;
    shares_add(&s, 1, 10);
    assert_int_equal(shares_check(&s, &small, 1, false, 1), SHARE_OF_ONE);
    assert_int_equal(shares_check(&s, &small, 2, false, 1), SHARE_OF_ALL);
    assert_int_equal(shares_check(&s, &small, 2, true, 1), SHARE_RESERVED);
    assert_int_equal(shares_check(&s, &limit, 2, false, UINT64_MAX),
                     SHARE_OF_ONE);
    shares_clear(&s);
}

static void nothing_stays_of_who_holds_nothing(void **state)
{
    struct shares s = { .n = 0 };

    (void)state;
    for (uint64_t no = 0; no < 10000; no++)
        shares_add(&s, no, no + 1);
    for (uint64_t no = 0; no < 10000; no++)
        shares_remove(&s, no, no + 1);
    assert_int_equal(s.n, 0);
    assert_int_equal(s.n_rows, 0);
    assert_true(s.n_slots <= 16);
    assert_int_equal(shares_of(&s, 77), 0);
    shares_clear(&s);
}

#define ORGS 200

static void counts_are_those_of_a_plain_table(void **state)
{
    uint64_t held[ORGS] = { 0 };
    struct shares s = { .n = 0 };
    uint64_t random = 1;

    (void)state;
    for (int i = 0; i < 200000; i++) {
        uint64_t no;

        random = random * UINT64_C(6364136223846793005) + 1;
        no = (random >> 40) % ORGS;
        if ((random >> 33) % 2 == 0 && held[no] > 0) {
            uint64_t less = (random >> 20) % held[no] + 1;

            held[no] -= less;
            // Numbers far apart, and next to each other.
            shares_remove(&s, no % 2 == 0 ? no : no << 50, less);
        } else if ((random >> 34) % 3 == 0) {
            held[no] += random % 5;
            shares_add(&s, no % 2 == 0 ? no : no << 50, random % 5);
        }
        if (i % 100 == 0) {
            uint64_t sum = 0;

            for (uint64_t k = 0; k < ORGS; k++) {
                assert_int_equal(shares_of(&s, k % 2 == 0 ? k : k << 50),
                                 held[k]);
                sum += held[k];
            }
            assert_int_equal(s.n, sum);
        }
    }
    shares_clear(&s);
}

// --- the caps of the settings ---

static void load(struct config *config, char *const *sets, size_t n,
                 struct buf *faults)
{
    const struct config_sources sources = { .sets = sets,
                                            .n_sets = n,
                                            .no_environment = true };
    enum err err = config_load(&sources, config, faults);

    assert_int_equal(err == OK, faults->n_bytes == 0);
}

static void defaults_leave_each_cap_a_share_and_a_reserve(void **state)
{
    struct config config;
    struct buf faults;

    (void)state;
    buf_init(&faults, 0);
    load(&config, NULL, 0, &faults);
    assert_int_equal(faults.n_bytes, 0);
    for (int kind = 0; kind < CAP_COUNT; kind++) {
        struct share_limit l = cap_limit(&config, (enum cap_kind)kind);

        assert_true(l.of_one >= 1);
        assert_true(l.reserve >= 1);
        assert_true(l.of_one <= l.whole - l.reserve);
    }
    assert_int_equal(cap_limit(&config, CAP_HOOKS).whole, 1000000);
    assert_int_equal(cap_limit(&config, CAP_HOOKS).of_one, 100000);
    assert_int_equal(cap_limit(&config, CAP_HOOKS).reserve, 120000);
    assert_int_equal(cap_limit(&config, CAP_PATTERNS).of_one, 1000);
    assert_int_equal(cap_limit(&config, CAP_TAILS).of_one, 16);
    config_clear(&config);
    buf_clear(&faults);
}

static void a_small_cap_still_has_a_share(void **state)
{
    char tails[] = "max_tails=2";
    char *const sets[] = { tails };
    struct config config;
    struct share_limit l;
    struct buf faults;

    (void)state;
    buf_init(&faults, 0);
    load(&config, sets, 1, &faults);
    l = cap_limit(&config, CAP_TAILS);
    assert_int_equal(l.of_one, 1);
    assert_int_equal(l.reserve, 1);
    config_clear(&config);
    buf_clear(&faults);
}

static void a_share_beyond_what_the_reserve_leaves_is_refused(void **state)
{
    char whole[] = "max_hooks=100";
    char share[] = "max_hooks_per_organization=89";
    char tails[] = "max_tails_per_organization=65";
    char *const sets[] = { whole, share, tails };
    struct config config;
    struct buf faults;

    (void)state;
    buf_init(&faults, 0);
    load(&config, sets, 3, &faults);
    assert_string_equal(
        buf_cstr(&faults),
        "max_hooks_per_organization: must not be larger than 88, which is "
        "max_hooks without the 12 % of admin_reserve_percent\n"
        "max_tails_per_organization: must not be larger than 57, which is "
        "max_tails without the 12 % of admin_reserve_percent\n");
    config_clear(&config);
    buf_clear(&faults);
}

static void who_had_a_turn_goes_behind_all_others(void **state)
{
    struct turn_entry turns[5];
    static const uint64_t holders[] = { 1, 1, 2, 1, 3 };
    static const size_t after_1[] = { 2, 4, 0, 1, 3 };
    struct list list = { NULL, NULL };
    size_t n = 0;

    (void)state;
    turn_pass(&list, 1);
    assert_null(list.first);
    for (size_t i = 0; i < 5; i++)
        turn_add(&list, &turns[i], holders[i]);
    turn_pass(&list, 1);
    for (const struct list_node *at = list.first; at != NULL; at = at->next)
        assert_ptr_equal(at, &turns[after_1[n++]].node);
    assert_int_equal(n, 5);
    turn_pass(&list, 4); // nobody
    assert_ptr_equal(list.first, &turns[2].node);
    list_remove(&list, &turns[2].node);
    list_remove(&list, &turns[3].node);
    turn_pass(&list, 3);
    assert_ptr_equal(list.first, &turns[0].node);
    assert_ptr_equal(turns[0].node.next, &turns[1].node);
    assert_ptr_equal(turns[1].node.next, &turns[4].node);
    assert_null(turns[4].node.next);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_has_its_share_and_the_admin_the_rest),
        cmocka_unit_test(the_admin_is_not_held_by_a_share),
        cmocka_unit_test(a_lowered_limit_refuses_and_does_not_wrap),
        cmocka_unit_test(nothing_stays_of_who_holds_nothing),
        cmocka_unit_test(counts_are_those_of_a_plain_table),
        cmocka_unit_test(defaults_leave_each_cap_a_share_and_a_reserve),
        cmocka_unit_test(a_small_cap_still_has_a_share),
        cmocka_unit_test(a_share_beyond_what_the_reserve_leaves_is_refused),
        cmocka_unit_test(who_had_a_turn_goes_behind_all_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
