// SPDX-License-Identifier: MIT
// test_journal.c — the contract of journals, on the mean one; and that the suite fails
// where it must.
//
// JOURNAL_SEEDS=N tries N seeds instead of 1,000; JOURNAL_SEED=N only this one.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/journal_contract.h"
#include "tests/support/journal_mean.h"
#include "tests/support/unit.h"

#define SEEDS     1000
#define WAIT_MS   5000
#define BAD_SEEDS 60 // within which each fault must be found

static struct journal *open_mean(void *data)
{
    return mean_open(data, "handle");
}

static void advance_mean(void *data, int64_t ms)
{
    mean_advance_ms(data, ms);
}

typedef bool (*suite_fn)(const struct journal_contract_case *c,
                         struct buf *faults);

// Runs a part of the suite on a new world.
static bool run(suite_fn suite, uint64_t seed, const struct mean_faults *f,
                int64_t wait_ms, struct buf *faults)
{
    struct mean_world *w = mean_world_new(seed, f);
    struct journal_contract_case c = {
        .open = open_mean,
        .data = w,
        .advance_ms = advance_mean,
        .seed = seed,
        .prefix = "t",
        .chain = 3,
        .n_operations = 200,
        .has_faults = f->lose_answer > 0,
        .wait_ms = wait_ms,
    };
    bool is_kept = suite(&c, faults);

    mean_world_free(w);
    return is_kept;
}

static uint64_t number_of(const char *variable, uint64_t otherwise)
{
    const char *text = getenv(variable);

    return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

static void expect_kept(suite_fn suite, uint64_t n_seeds,
                        const struct mean_faults *f)
{
    uint64_t only = number_of("JOURNAL_SEED", 0);
    int64_t wait_ms = f->lose_answer > 0 ? 0 : WAIT_MS;
    struct buf faults;

    buf_init(&faults, 0);
    for (uint64_t seed = only != 0 ? only : 1;
         seed <= (only != 0 ? only : n_seeds); seed++) {
        if (!run(suite, seed, f, wait_ms, &faults))
            fail_msg("%s", buf_cstr(&faults));
    }
    buf_clear(&faults);
}

static void a_mean_journal_without_faults_keeps_the_contract(void **state)
{
    (void)state;
    expect_kept(journal_contract, 10, &mean_no_faults);
}

static void a_mean_journal_keeps_the_contract(void **state)
{
    (void)state;
    expect_kept(journal_contract, 10, &mean_all_faults);
}

static void a_mean_journal_keeps_the_contract_for_many_seeds(void **state)
{
    (void)state;
    expect_kept(journal_contract_random, number_of("JOURNAL_SEEDS", SEEDS),
                &mean_all_faults);
}

static void threads_that_are_delayed_race_as_well(void **state)
{
    struct mean_faults f = mean_all_faults;

    (void)state;
    f.delay = 200;
    f.delay_max_us = 300;
    expect_kept(journal_contract_race, 5, &f);
}

static void the_same_seed_does_the_same(void **state)
{
    struct mean_world *worlds[2];
    struct journal_contract_case c = { .open = open_mean,
                                       .advance_ms = advance_mean,
                                       .seed = 11,
                                       .prefix = "t",
                                       .has_faults = true };
    struct journal_entry a;
    struct journal_entry b;
    struct buf faults;
    size_t n = 0;

    (void)state;
    buf_init(&faults, 0);
    for (size_t i = 0; i < 2; i++) {
        worlds[i] = mean_world_new(7, &mean_all_faults);
        c.data = worlds[i];
        assert_true(journal_contract_random(&c, &faults));
    }
    while (mean_truth(worlds[0], 1, n, &a)) {
        assert_true(mean_truth(worlds[1], 1, n++, &b));
        assert_int_equal(a.seq, b.seq);
        assert_memory_equal(a.id, b.id, JOURNAL_ENTRY_ID);
        assert_true(str_eq(a.bytes, b.bytes));
    }
    assert_true(n > 10);
    assert_false(mean_truth(worlds[1], 1, n, &b));
    mean_world_free(worlds[0]);
    mean_world_free(worlds[1]);
    buf_clear(&faults);
}

static void a_handle_that_is_cut_off_reaches_nothing(void **state)
{
    struct mean_world *w = mean_world_new(1, &mean_no_faults);
    struct journal *j = mean_open(w, "first");
    uint8_t id[JOURNAL_ENTRY_ID] = { 1 };
    struct buf faults;
    uint64_t seq;

    (void)state;
    buf_init(&faults, 0);
    mean_cut(j, true);
    assert_int_equal(journal_judge(j, &faults), ERR_AGAIN);
    assert_true(faults.n_bytes > 0);
    assert_int_equal(journal_append(j, 0, 0, id, STR("x"), 0, &seq), ERR_AGAIN);
    mean_cut(j, false);
    assert_int_equal(journal_last(j, 0, 0, &seq, id), ERR_NOTFOUND);
    assert_int_equal(journal_append(j, 0, 0, id, STR("x"), 0, &seq), OK);
    journal_close(j);
    mean_world_free(w);
    buf_clear(&faults);
}

// --- does the suite find what is wrong? ---

#define BAD(fault)                                  \
    {                                               \
#fault, offsetof(struct mean_faults, fault) \
    }

static const struct {
    const char *name;
    size_t offset;
} bad_faults[] = {
    BAD(bad_ack),   BAD(bad_winner), BAD(bad_conflict), BAD(bad_skip),
    BAD(bad_order), BAD(bad_bytes),  BAD(bad_trim),     BAD(bad_value),
    BAD(bad_put),   BAD(bad_lease),  BAD(bad_term),     BAD(bad_request),
};

// Within a few seeds, with and without the faults that are allowed.
static bool is_found(suite_fn suite, const struct mean_faults *allowed,
                     size_t offset)
{
    struct mean_faults f = *allowed;
    struct buf faults;
    bool is = false;

    *(uint16_t *)(void *)((char *)&f + offset) = 100;
    buf_init(&faults, 0);
    for (uint64_t seed = 1; seed <= BAD_SEEDS && !is; seed++)
        is = !run(suite, seed, &f, 0, &faults) && faults.n_bytes > 0;
    buf_clear(&faults);
    return is;
}

static void the_suite_finds_what_is_forbidden(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bad_faults) / sizeof(bad_faults[0]); i++) {
        if (!is_found(journal_contract_random, &mean_no_faults,
                      bad_faults[i].offset) ||
            !is_found(journal_contract_random, &mean_all_faults,
                      bad_faults[i].offset))
            fail_msg("%s is not found", bad_faults[i].name);
    }
}

static void a_race_finds_what_is_forbidden(void **state)
{
    static const size_t found[] = { offsetof(struct mean_faults, bad_ack),
                                    offsetof(struct mean_faults, bad_winner),
                                    offsetof(struct mean_faults, bad_skip),
                                    offsetof(struct mean_faults, bad_request) };

    (void)state;
    for (size_t i = 0; i < sizeof(found) / sizeof(found[0]); i++)
        assert_true(is_found(journal_contract_race, &mean_no_faults, found[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mean_journal_without_faults_keeps_the_contract),
        cmocka_unit_test(a_mean_journal_keeps_the_contract),
        cmocka_unit_test(a_mean_journal_keeps_the_contract_for_many_seeds),
        cmocka_unit_test(threads_that_are_delayed_race_as_well),
        cmocka_unit_test(the_same_seed_does_the_same),
        cmocka_unit_test(a_handle_that_is_cut_off_reaches_nothing),
        cmocka_unit_test(the_suite_finds_what_is_forbidden),
        cmocka_unit_test(a_race_finds_what_is_forbidden),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
