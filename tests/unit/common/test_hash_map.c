// SPDX-License-Identifier: MIT
// test_hash_map.c — the intrusive hash map, against an array that does the same.

#include <stdbool.h>
#include <string.h>

#include "common/base/hash_map.h"
#include "tests/support/unit.h"

#define ITEMS 3000

struct item {
    uint64_t key;
    struct hash_node node;
    bool is_in, is_seen;
};

static uint64_t draw(uint64_t *seed, uint64_t n)
{
    *seed = *seed * 6364136223846793005U + 1442695040888963407U;
    return (*seed >> 33) % n;
}

static struct item *find(const struct hash_map *m, uint64_t key, uint64_t hash)
{
    struct hash_node *n = hash_map_find(m, hash);

    while (n != NULL && HASH_OBJECT(n, struct item, node)->key != key)
        n = hash_map_same(n);
    return HASH_OBJECT(n, struct item, node);
}

// `spread`: how many hashes there are.
static void fill_and_empty(uint64_t seed, uint64_t spread)
{
    static struct item items[ITEMS];
    struct hash_map m = { .n = 0 };
    size_t n = 0;

    memset(items, 0, sizeof(items));
    for (size_t i = 0; i < ITEMS; i++)
        items[i].key = i;
    for (int step = 0; step < 4 * ITEMS; step++) {
        struct item *it = &items[draw(&seed, ITEMS)];
        uint64_t hash = it->key % spread;

        assert_ptr_equal(find(&m, it->key, hash), it->is_in ? it : NULL);
        if (it->is_in) {
            hash_map_remove(&m, &it->node);
            n--;
        } else {
            hash_map_add(&m, &it->node, hash);
            n++;
        }
        it->is_in = !it->is_in;
        assert_int_equal(m.n, n);
    }
    for (struct hash_node *at = hash_map_next(&m, NULL); at != NULL;
         at = hash_map_next(&m, at)) {
        struct item *it = HASH_OBJECT(at, struct item, node);

        assert_true(it->is_in && !it->is_seen);
        it->is_seen = true;
        n--;
    }
    assert_int_equal(n, 0);
    hash_map_clear(&m);
    assert_null(hash_map_find(&m, 0));
}

static void what_is_added_is_found(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++)
        fill_and_empty(seed, UINT64_MAX);
}

static void objects_with_the_same_hash_are_told_apart(void **state)
{
    (void)state;
    fill_and_empty(1, 50);
    fill_and_empty(2, 1000);
}

static void an_empty_map_holds_nothing(void **state)
{
    struct hash_map m = { .n = 0 };

    (void)state;
    assert_null(hash_map_find(&m, 7));
    assert_null(hash_map_next(&m, NULL));
    hash_map_clear(&m);
}

static void all_can_be_removed_while_walking(void **state)
{
    static struct item items[ITEMS];
    struct hash_map m = { .n = 0 };
    struct hash_node *next;

    (void)state;
    for (size_t i = 0; i < ITEMS; i++)
        hash_map_add(&m, &items[i].node, i * 4096);
    for (struct hash_node *at = hash_map_next(&m, NULL); at != NULL;
         at = next) {
        next = hash_map_next(&m, at);
        hash_map_remove(&m, at);
    }
    assert_int_equal(m.n, 0);
    hash_map_clear(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_added_is_found),
        cmocka_unit_test(objects_with_the_same_hash_are_told_apart),
        cmocka_unit_test(an_empty_map_holds_nothing),
        cmocka_unit_test(all_can_be_removed_while_walking),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
