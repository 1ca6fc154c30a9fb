// SPDX-License-Identifier: MIT
// test_list.c — the intrusive list, against an array that does the same.

#include <stdbool.h>
#include <string.h>

#include "common/base/list.h"
#include "tests/support/unit.h"

#define ITEMS 12

struct item {
    struct list_node node, other;
    size_t no;
    bool is_in;
};

static unsigned draw(uint64_t *seed, unsigned n)
{
    *seed = *seed * 6364136223846793005U + 1442695040888963407U;
    return (unsigned)(*seed >> 33) % n;
}

// What the list holds: numbers of items, in its order.
struct model {
    size_t nos[ITEMS];
    size_t n;
};

static void insert(struct model *m, size_t at, size_t no)
{
    for (size_t i = m->n++; i > at; i--)
        m->nos[i] = m->nos[i - 1];
    m->nos[at] = no;
}

static void take(struct model *m, size_t no)
{
    size_t at = 0;

    while (m->nos[at] != no)
        at++;
    for (m->n--; at < m->n; at++)
        m->nos[at] = m->nos[at + 1];
}

static void assert_holds(const struct list *l, const struct model *m)
{
    const struct list_node *before = NULL;
    size_t i = 0;

    for (struct item *it = LIST_FIRST(l, struct item, node); it != NULL;
         it = LIST_NEXT(it, struct item, node)) {
        assert_true(i < m->n);
        assert_int_equal(it->no, m->nos[i++]);
        assert_ptr_equal(it->node.prev, before);
        before = &it->node;
    }
    assert_int_equal(i, m->n);
    assert_ptr_equal(l->last, before);
}

static void change(struct list *l, struct item *items, struct model *m,
                   uint64_t *seed)
{
    struct item *it = &items[draw(seed, ITEMS)];

    if (draw(seed, 5) == 0) { // the first
        it = LIST_POP(l, struct item, node);
        assert_int_equal(it != NULL, m->n > 0);
        if (it == NULL)
            return;
        assert_int_equal(it->no, m->nos[0]);
        take(m, it->no);
    } else if (it->is_in) {
        list_remove(l, &it->node);
        take(m, it->no);
    } else if (draw(seed, 2) == 0) {
        list_push(l, &it->node);
        insert(m, m->n, it->no);
    } else {
        list_push_front(l, &it->node);
        insert(m, 0, it->no);
    }
    it->is_in = !it->is_in;
    if (!it->is_in) {
        assert_null(it->node.next);
        assert_null(it->node.prev);
    }
}

static void a_list_keeps_its_order(void **state)
{
    (void)state;
    for (uint64_t round = 1; round <= 200; round++) {
        struct item items[ITEMS];
        struct model m = { .n = 0 };
        struct list l = { NULL, NULL };
        uint64_t seed = round;

        memset(items, 0, sizeof(items));
        for (size_t i = 0; i < ITEMS; i++)
            items[i].no = i;
        for (int step = 0; step < 100; step++) {
            change(&l, items, &m, &seed);
            assert_holds(&l, &m);
        }
    }
}

static void objects_are_in_several_lists(void **state)
{
    struct item a = { .no = 1 };
    struct item b = { .no = 2 };
    struct list first = { NULL, NULL };
    struct list second = { NULL, NULL };

    (void)state;
    list_push(&first, &a.node);
    list_push(&first, &b.node);
    list_push(&second, &b.other);
    list_push(&second, &a.other);
    assert_int_equal(LIST_FIRST(&second, struct item, other)->no, 2);
    list_remove(&first, &a.node);
    assert_int_equal(LIST_FIRST(&first, struct item, node)->no, 2);
    assert_int_equal(LIST_NEXT(&b, struct item, other)->no, 1);
    assert_null(LIST_NEXT(&a, struct item, other));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_keeps_its_order),
        cmocka_unit_test(objects_are_in_several_lists),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
