// SPDX-License-Identifier: MIT
// test_operator.c — which events reach the hooks of the operator.

#include <string.h>

#include "common/model/operator.h"
#include "engine/delivery/match.h"
#include "tests/support/unit.h"

static void on_match(void *data, uint64_t hook_id, void *runtime)
{
    uint64_t *nos = data;

    (void)runtime;
    *nos |= UINT64_C(1) << hook_id;
}

static uint64_t matches(const struct match_index *idx, const char *org,
                        const char *kind)
{
    const struct event event = { .dialect = DIALECT_PULUMI,
                                 .position = { { [7] = 1 } },
                                 .kind = str_of(kind),
                                 .org = str_of(org) };
    uint64_t nos = 0;

    match_event(idx, &event, on_match, &nos);
    return nos;
}

static void put(struct match_index *idx, uint64_t no, const char *org,
                const char *kind, bool is_operator)
{
    struct str kinds[1] = { str_of(kind) };
    const struct hook hook = { .no = no,
                               .active = true,
                               .is_operator = is_operator,
                               .scope = { .dialect = DIALECT_PULUMI,
                                          .level = LEVEL_ORGANIZATION,
                                          .org = str_of(org) },
                               .kinds = kinds,
                               .n_kinds = kinds[0].n_bytes > 0 };

    assert_true(match_index_put(idx, &hook, NULL));
}

static void the_operators_events_reach_the_operators_hooks_only(void **state)
{
    struct match_index *idx = match_index_new();

    (void)state;
    put(idx, 0, OPERATOR_ORG, "", true);
    put(idx, 1, OPERATOR_ORG, "posthorn.hook.*", true);
    put(idx, 2, OPERATOR_ORG, "posthorn.delivery.dead", true);
    put(idx, 3, OPERATOR_ORG, "", false); // from before the name was reserved
    put(idx, 4, OPERATOR_ORG, "posthorn.*", false);
    put(idx, 5, "acme", "", false);
    put(idx, 6, "acme", "posthorn.*", false);
    assert_int_equal(matches(idx, OPERATOR_ORG, "posthorn.hook.failing"), 3);
    assert_int_equal(matches(idx, OPERATOR_ORG, "posthorn.delivery.dead"), 5);
    assert_int_equal(matches(idx, "acme", "posthorn.hook.failing"), 1U << 6);
    assert_int_equal(matches(idx, "acme", "order.created"), 1U << 5);
    match_index_free(idx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_operators_events_reach_the_operators_hooks_only),
    };

    return cmocka_run_group_tests_name("operator", tests, NULL, NULL);
}
