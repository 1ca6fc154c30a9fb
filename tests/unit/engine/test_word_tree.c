// SPDX-License-Identifier: MIT
// test_word_tree.c — words with some bits are found, all of them and no others.

#include "engine/delivery/word_tree.h"
#include "tests/support/unit.h"

#define MANY 20000 // five levels

static uint32_t below_n(uint32_t *r, uint32_t n)
{
    *r = *r * 1664525U + 1013904223U;
    return (*r >> 8) % n;
}

// Mostly words with a bit of their own kind; seldom with bit 7.
static uint64_t word_of(uint32_t *r)
{
    uint64_t word = UINT64_C(1) << (8 + below_n(r, 48));

    return below_n(r, 500) == 0 ? word | UINT64_C(1) << 7 : word;
}

static void assert_finds(const struct word_tree *t, const uint64_t *words,
                         size_t n, uint64_t bits)
{
    size_t i = word_tree_find(t, 0, bits);

    assert_int_equal(word_tree_n(t), n);
    for (size_t k = 0; k < n; k++) {
        if ((words[k] & bits) == 0)
            continue;
        assert_int_equal(i, k);
        assert_true(word_tree_at(t, k) == words[k]);
        i = word_tree_find(t, k + 1, bits);
    }
    assert_true(i == WORD_TREE_NONE);
}

static void an_empty_list_has_nothing(void **state)
{
    struct word_tree t = { .levels = { { .n = 0 } } };

    (void)state;
    assert_true(word_tree_find(&t, 0, UINT64_MAX) == WORD_TREE_NONE);
    word_tree_append(&t, 1);
    word_tree_remove_last(&t);
    assert_true(word_tree_find(&t, 0, UINT64_MAX) == WORD_TREE_NONE);
    word_tree_clear(&t);
}

// Every length around those at which a level is added or goes.
static void lists_that_grow_and_shrink_find_all(void **state)
{
    struct word_tree t = { .levels = { { .n = 0 } } };
    static uint64_t words[MANY];
    uint32_t r = 1;
    size_t n = 0;

    (void)state;
    for (; n < 600; n++) {
        assert_finds(&t, words, n, UINT64_C(1) << 20);
        words[n] = word_of(&r);
        word_tree_append(&t, words[n]);
    }
    for (; n > 0; n--) {
        assert_finds(&t, words, n, UINT64_C(1) << 20);
        word_tree_remove_last(&t);
    }
    word_tree_clear(&t);
}

static void any_sequence_of_changes_finds_all(void **state)
{
    struct word_tree t = { .levels = { { .n = 0 } } };
    static uint64_t words[MANY];
    uint32_t r = 7;
    size_t n = 0;

    (void)state;
    while (n < MANY) {
        switch (below_n(&r, 4)) {
        case 0:
            if (n > 0) {
                size_t i = below_n(&r, (uint32_t)n);

                words[i] = word_of(&r);
                word_tree_set(&t, i, words[i]);
            }
            break;
        case 1:
            if (n > 0) {
                n--;
                word_tree_remove_last(&t);
            }
            break;
        default:
            words[n] = word_of(&r);
            word_tree_append(&t, words[n]);
            n++;
        }
        if (below_n(&r, 500) == 0) {
            assert_finds(&t, words, n, UINT64_C(1) << 7);
            assert_finds(&t, words, n, UINT64_C(5) << 20);
        }
    }
    assert_finds(&t, words, n, UINT64_MAX);
    assert_finds(&t, words, n, UINT64_C(1) << 7);
    assert_finds(&t, words, n, 1); // nobody has it
    word_tree_clear(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_list_has_nothing),
        cmocka_unit_test(lists_that_grow_and_shrink_find_all),
        cmocka_unit_test(any_sequence_of_changes_finds_all),
    };
    return cmocka_run_group_tests_name("word_tree", tests, NULL, NULL);
}
