// SPDX-License-Identifier: MIT
// test_match_patterns.c — hooks' patterns in the match index, and events as they see them.

#include <string.h>

#include "engine/delivery/match.h"
#include "tests/support/unit.h"

#define TOTAL_OVER(n) "{\"payload\":{\"total\":[{\"numeric\":[\">\"," n "]}]}}"

static const struct event order = {
    .position = { { [7] = 9 } },
    .dialect = DIALECT_PULUMI,
    .kind = { "order.created", 13 },
    .org = { "acme", 4 },
    .project = { "web", 3 },
    .stack = { "prod", 4 },
    .payload = { "{\"total\":42,\"id\":\"x\"}", 21 },
};

static struct hook hook_of(uint64_t no, const char *org, const char *pattern)
{
    return (struct hook){ .no = no,
                          .active = true,
                          .scope = { .dialect = DIALECT_PULUMI,
                                     .level = LEVEL_ORGANIZATION,
                                     .org = str_of(org) },
                          .pattern = str_of(pattern) };
}

static void put(struct match_index *idx, uint64_t no, const char *org,
                const char *pattern)
{
    struct hook hook = hook_of(no, org, pattern);

    assert_true(match_index_put(idx, &hook, NULL));
}

static void count(void *data, uint64_t hook_id, void *runtime)
{
    (void)hook_id;
    (void)runtime;
    (*(size_t *)data)++;
}

static void an_event_has_these_fields(void **state)
{
    struct match_index *idx = match_index_new();
    struct event_facts facts = { .event = NULL };
    size_t n = 0;

    (void)state;
    put(idx, 1, "acme",
        "{\"kind\":[\"order.created\"],\"organization\":["
        "\"acme\"],\"project\":[\"web\"],\"stack\":[\"prod\"],"
        "\"environment\":[{\"exists\":false}],\"payload\":{"
        "\"total\":[42]}}");
    put(idx, 2, "acme", "{\"environment\":[{\"exists\":true}]}");
    put(idx, 3, "acme", TOTAL_OVER("42"));
    put(idx, 4, "acme", "");
    put(idx, 5, "acme", "{\"payload\":[{\"exists\":true}]}"); // an object
    event_facts_begin(&facts, &order);
    assert_int_equal(match_event(idx, &order, count, &n), 5);
    assert_int_equal(n, 5);
    assert_true(match_holds(idx, 1, &facts));
    assert_false(match_holds(idx, 2, &facts));
    assert_false(match_holds(idx, 3, &facts));
    assert_true(match_holds(idx, 4, &facts));
    assert_false(match_holds(idx, 5, &facts));
    assert_false(match_holds(idx, 6, &facts)); // there is none
    event_facts_clear(&facts);
    match_index_free(idx);
}

// Hooks come and go while an event is compared; the numbers of paths are used again.
static void changes_meanwhile_are_seen(void **state)
{
    struct match_index *idx = match_index_new();
    struct event_facts facts = { .event = NULL };

    (void)state;
    put(idx, 1, "acme", TOTAL_OVER("41"));
    put(idx, 2, "other", "{\"payload\":{\"id\":[\"x\"]}}");
    event_facts_begin(&facts, &order);
    assert_true(match_holds(idx, 1, &facts));
    put(idx, 3, "acme", "{\"payload\":{\"id\":[\"x\"]}}");
    assert_true(match_holds(idx, 3, &facts));
    match_index_remove(idx, 1);
    put(idx, 4, "acme", "{\"payload\":{\"other\":[42]}}");
    assert_false(match_holds(idx, 4, &facts));
    assert_true(match_holds(idx, 3, &facts));
    put(idx, 3, "acme", TOTAL_OVER("42"));
    assert_false(match_holds(idx, 3, &facts));
    event_facts_clear(&facts);
    match_index_free(idx);
}

static void a_pattern_that_is_not_valid_keeps_the_hook_out(void **state)
{
    struct match_index *idx = match_index_new();
    struct event_facts facts = { .event = NULL };
    struct hook hook = hook_of(1, "acme", "{\"x\":[1]}");
    size_t n = 0;

    (void)state;
    put(idx, 1, "acme", "");
    assert_false(match_index_put(idx, &hook, NULL));
    assert_int_equal(match_event(idx, &order, count, &n), 0);
    assert_false(match_wants(idx, &order, &facts));
    put(idx, 1, "acme", TOTAL_OVER("41"));
    assert_true(match_wants(idx, &order, &facts));
    put(idx, 1, "acme", TOTAL_OVER("43"));
    assert_false(match_wants(idx, &order, &facts));
    event_facts_clear(&facts);
    match_index_free(idx);
}

static void why_it_does_not_hold_is_said(void **state)
{
    struct match_index *idx = match_index_new();
    struct event_facts facts = { .event = NULL };
    struct buf why;

    (void)state;
    buf_init(&why, 0);
    put(idx, 1, "acme", TOTAL_OVER("41"));
    put(idx, 2, "acme", TOTAL_OVER("43"));
    event_facts_begin(&facts, &order);
    match_explain(idx, 1, &facts, &why);
    assert_int_equal(why.n_bytes, 0);
    match_explain(idx, 2, &facts, &why);
    assert_non_null(strstr(buf_cstr(&why), "payload.total is 42"));
    event_facts_clear(&facts);
    match_index_free(idx);
    buf_clear(&why);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_has_these_fields),
        cmocka_unit_test(changes_meanwhile_are_seen),
        cmocka_unit_test(a_pattern_that_is_not_valid_keeps_the_hook_out),
        cmocka_unit_test(why_it_does_not_hold_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
