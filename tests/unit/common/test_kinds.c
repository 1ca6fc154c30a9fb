// SPDX-License-Identifier: MIT
// test_kinds.c — the table of kinds, filters and groups.

#include <stdbool.h>
#include <string.h>

#include "common/model/event_kinds.h"
#include "tests/support/unit.h"

#define O  LEVEL_BIT_ORG
#define OS (LEVEL_BIT_ORG | LEVEL_BIT_STACK)
#define OE (LEVEL_BIT_ORG | LEVEL_BIT_ENV)

// Numbers are on disk: this copy of the table may only grow at its end.
static const struct filter expected[] = {
    { "stack_created", "stack", GROUP_STACKS, O },
    { "stack_deleted", "stack", GROUP_STACKS, O },
    { "preview_succeeded", "stack_preview", GROUP_STACKS, OS },
    { "preview_failed", "stack_preview", GROUP_STACKS, OS },
    { "update_succeeded", "stack_update", GROUP_STACKS, OS },
    { "update_failed", "stack_update", GROUP_STACKS, OS },
    { "destroy_succeeded", "stack_update", GROUP_STACKS, OS },
    { "destroy_failed", "stack_update", GROUP_STACKS, OS },
    { "refresh_succeeded", "stack_update", GROUP_STACKS, OS },
    { "refresh_failed", "stack_update", GROUP_STACKS, OS },
    { "import_succeeded", "stack_update", GROUP_STACKS, OS },
    { "import_failed", "stack_update", GROUP_STACKS, OS },
    { "deployment_queued", "deployment", GROUP_DEPLOYMENTS, OS },
    { "deployment_started", "deployment", GROUP_DEPLOYMENTS, OS },
    { "deployment_succeeded", "deployment", GROUP_DEPLOYMENTS, OS },
    { "deployment_failed", "deployment", GROUP_DEPLOYMENTS, OS },
    { "deployment_file_ingestion_failed", "deployment_file_ingestion",
      GROUP_DEPLOYMENTS, OS },
    { "drift_detected", "drift_detection", GROUP_DEPLOYMENTS, OS },
    { "drift_detection_succeeded", "drift_detection", GROUP_DEPLOYMENTS, OS },
    { "drift_detection_failed", "drift_detection", GROUP_DEPLOYMENTS, OS },
    { "drift_remediation_succeeded", "drift_remediation", GROUP_DEPLOYMENTS,
      OS },
    { "drift_remediation_failed", "drift_remediation", GROUP_DEPLOYMENTS, OS },
    { "policy_violation_mandatory", "policy_violation", GROUP_POLICIES, OS },
    { "policy_violation_advisory", "policy_violation", GROUP_POLICIES, OS },
    { "environment_created", "environment", GROUP_ENVIRONMENTS, O },
    { "environment_deleted", "environment", GROUP_ENVIRONMENTS, O },
    { "environment_revision_created", "environment_revision",
      GROUP_ENVIRONMENTS, OE },
    { "environment_revision_retracted", "environment_revision",
      GROUP_ENVIRONMENTS, OE },
    { "environment_revision_tag_created", "environment_revision_tag",
      GROUP_ENVIRONMENTS, OE },
    { "environment_revision_tag_deleted", "environment_revision_tag",
      GROUP_ENVIRONMENTS, OE },
    { "environment_revision_tag_updated", "environment_revision_tag",
      GROUP_ENVIRONMENTS, OE },
    { "environment_tag_created", "environment_tag", GROUP_ENVIRONMENTS, OE },
    { "environment_tag_deleted", "environment_tag", GROUP_ENVIRONMENTS, OE },
    { "environment_tag_updated", "environment_tag", GROUP_ENVIRONMENTS, OE },
    { "imported_environment_changed", "imported_environment_changed",
      GROUP_ENVIRONMENTS, OE },
    { "environment_rotation_succeeded", "environment_rotation",
      GROUP_ENVIRONMENTS, OE },
    { "environment_rotation_failed", "environment_rotation", GROUP_ENVIRONMENTS,
      OE },
    { "change_request_created", "change_request", GROUP_CHANGE_REQUESTS, OE },
    { "change_request_updated", "change_request", GROUP_CHANGE_REQUESTS, OE },
    { "change_request_approved", "change_request", GROUP_CHANGE_REQUESTS, OE },
    { "change_request_unapproved", "change_request", GROUP_CHANGE_REQUESTS,
      OE },
    { "change_request_closed", "change_request", GROUP_CHANGE_REQUESTS, OE },
    { "change_request_applied", "change_request", GROUP_CHANGE_REQUESTS, OE },
    { "change_request_submitted", "change_request", GROUP_CHANGE_REQUESTS, OE },
};

static void filters_are_numbered_as_on_disk(void **state)
{
    (void)state;
    assert_int_equal(n_filters, sizeof(expected) / sizeof(*expected));
    for (size_t i = 0; i < n_filters; i++) {
        assert_string_equal(filters[i].name, expected[i].name);
        assert_string_equal(filters[i].kind, expected[i].kind);
        assert_int_equal(filters[i].group, expected[i].group);
        assert_int_equal(filters[i].levels, expected[i].levels);
        assert_int_equal(filter_find(str_of(filters[i].name)), (int)i);
        assert_int_equal(kind_group(str_of(filters[i].kind)), filters[i].group);
        assert_true(kind_is_known(str_of(filters[i].kind)));
    }
}

static void filters_are_found_in_every_spelling(void **state)
{
    static const char *const good[] = {
        "refresh_failed",   "refresh failed",     "Refresh-Failed",
        " refresh_failed ", "\tREFRESH FAILED\n",
    };
    static const char *const bad[] = {
        "",
        "refresh",
        "refresh__failed",
        "refreshfailed",
        "stacks",
        "order.created",
        "*",
        "refresh_failed_and_so_on_and_so_on_and_so_on_and_so_on_and_so_on_x",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
        assert_int_equal(filter_find(str_of(good[i])), 9);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_int_equal(filter_find(str_of(bad[i])), -1);
    assert_int_equal(filter_find(STR("refresh_failed\0")), -1);
}

static void the_nearest_name_is_the_one_that_was_meant(void **state)
{
    static const struct {
        const char *name;
        const char *nearest;
    } cases[] = {
        { "update_faild", "update_failed" },
        { "updat failed", "update_failed" },
        { "Drift-Detect", "drift_detected" },
        { "stack_create", "stack_created" },
        { "deployment_file_ingestion_fail",
          "deployment_file_ingestion_failed" },
        { "enviroment_tag_updated", "environment_tag_updated" },
    };
    char many[1000];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        assert_string_equal(filter_nearest(str_of(cases[i].name)),
                            cases[i].nearest);
    }
    assert_string_equal(kind_nearest(STR("stack-updates")), "stack_update");
    assert_string_equal(kind_nearest(STR("teams")), "team");
    assert_string_equal(kind_nearest(STR("Stack")), "stack");
    memset(many, 'x', sizeof(many)); // far too long is fine
    assert_null(filter_nearest((struct str){ many, sizeof(many) }));
    assert_null(kind_nearest((struct str){ many, sizeof(many) }));
}

static void what_is_far_from_every_name_was_not_meant(void **state)
{
    static const char *const names[] = { "",  "x",    "push", "nonsense",
                                         "*", "abcd", "drift" };

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        assert_null(filter_nearest(str_of(names[i])));
    assert_null(kind_nearest(STR("push")));
    assert_null(kind_nearest(STR("order_created")));
    // Two of six letters are a third, three are more.
    assert_string_equal(kind_nearest(STR("teamxx")), "team");
    assert_null(kind_nearest(STR("teaxxx")));
}

static void groups_have_names_levels_and_filters(void **state)
{
    static const struct {
        const char *name;
        unsigned levels;
        size_t n_filters;
    } cases[GROUPS] = {
        [GROUP_STACKS] = { "stacks", OS, 12 },
        [GROUP_DEPLOYMENTS] = { "deployments", OS, 10 },
        [GROUP_POLICIES] = { "policies", OS, 2 },
        [GROUP_ENVIRONMENTS] = { "environments", OE, 13 },
        [GROUP_CHANGE_REQUESTS] = { "change_requests", OE, 7 },
    };
    uint64_t all = 0;

    (void)state;
    for (unsigned g = 0; g < GROUPS; g++) {
        uint64_t bits = group_filters((enum group)g);

        assert_string_equal(group_name((enum group)g), cases[g].name);
        assert_int_equal(group_find(str_of(cases[g].name)), (int)g);
        assert_int_equal(group_levels((enum group)g), cases[g].levels);
        assert_int_equal(__builtin_popcountll(bits), cases[g].n_filters);
        assert_true((all & bits) == 0); // no filter is in two groups
        all |= bits;
    }
    assert_true(all == (UINT64_C(1) << n_filters) - 1);
    assert_int_equal(group_find(STR("Change Requests")), GROUP_CHANGE_REQUESTS);
    assert_int_equal(group_find(STR("stack")), -1);
    assert_int_equal(group_find(STR_EMPTY), -1);
}

static void kinds_without_filter_or_group(void **state)
{
    (void)state;
    assert_int_equal(kind_group(STR("team")), -1);
    assert_true(kind_is_known(STR("team")));
    assert_int_equal(kind_group(STR("ping")), -1);
    assert_false(kind_is_known(STR("ping")));
    assert_false(kind_is_known(STR("Stack")));
    assert_false(kind_is_known(STR("order.created")));
    assert_false(kind_is_known(STR_EMPTY));
    assert_int_equal(kind_group(STR("order.created")), -1);
}

static void custom_kinds_and_patterns_have_separators(void **state)
{
    static const struct {
        const char *text;
        bool is_custom;
        bool is_pattern;
    } cases[] = {
        { "order.created", true, true },
        { "a.b.c.d.e.f", true, true },
        { "0-9_.-", true, true },
        { "order", false, false },
        { "", false, false },
        { ".", false, false },
        { ".a", false, false },
        { "a.", false, false },
        { "a..b", false, false },
        { "Order.created", true, true },
        { "Microsoft.Storage.BlobCreated", true, true },
        { "orders/create", true, true },
        { "s3:ObjectCreated:Put", true, true },
        { "a/b.c:D", true, true },
        { "orders/*", false, true },
        { "s3:ObjectCreated:*", false, true },
        { "Order", false, false },
        { "a//b", false, false },
        { "a/.b", false, false },
        { "a:", false, false },
        { "/a", false, false },
        { "/*", false, false },
        { "a/:*", false, false },
        { "a/b*", false, false },
        { "a\\b", false, false },
        { "order created", false, false },
        { "order.cr\xc3\xa9\xc3\xa9", false, false },
        { "order.*", false, true },
        { "order.item.*", false, true },
        { "*", false, false },
        { ".*", false, false },
        { "*.created", false, false },
        { "order.*.x", false, false },
        { "order.cr*", false, false },
        { "order*", false, false },
        { "order.**", false, false },
        { "order..*", false, false },
        { "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
          true, true }, // 64
        { "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
          false, false }, // 65
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct str text = str_of(cases[i].text);

        if (kind_is_custom(text) != cases[i].is_custom ||
            kind_is_pattern(text) != cases[i].is_pattern)
            fail_msg("%s", cases[i].text);
    }
}

// Asserts that no spelling of the name is a custom kind: in any case, and with any
// separator for any blank.
static void assert_no_own_kind(const char *name)
{
    char text[64];

    for (unsigned upper = 0; upper < 3; upper++) {
        size_t n = strlen(name);

        for (size_t i = 0; i < n; i++) {
            bool is_upper = upper == 2 || (upper == 1 && i == 0);

            text[i] = name[i];
            if (is_upper && name[i] >= 'a' && name[i] <= 'z')
                text[i] = (char)(name[i] - 'a' + 'A');
        }
        assert_false(kind_is_custom((struct str){ text, n }));
        assert_false(kind_is_pattern((struct str){ text, n }));
    }
}

static void no_own_kind_can_be_taken_for_one_of_pulumi(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_filters; i++) {
        assert_no_own_kind(filters[i].name);
        assert_no_own_kind(filters[i].kind);
    }
    for (unsigned g = 0; g < GROUPS; g++)
        assert_no_own_kind(group_name((enum group)g));
    assert_no_own_kind("team");
    assert_no_own_kind("ping");
    // No spelling of a filter holds a separator.
    assert_int_equal(filter_find(STR("update.failed")), -1);
    assert_int_equal(filter_find(STR("update/failed")), -1);
    assert_int_equal(filter_find(STR("update:failed")), -1);
}

static void posthorn_is_reserved_in_any_case(void **state)
{
    static const char *const reserved[] = { "posthorn.hook.failing",
                                            "Posthorn.x", "POSTHORN/x",
                                            "posthorn:x" };
    static const char *const free_ones[] = { "posthorn-demo.ping",
                                             "my.posthorn", "posthorns.x",
                                             "posthor.n" };

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        assert_true(kind_is_reserved(str_of(reserved[i])));
        assert_int_equal(kind_is_own(str_of(reserved[i])), i == 0);
        assert_false(kind_is_reserved(str_of(free_ones[i])));
    }
}

static void a_star_stands_for_one_or_more_segments(void **state)
{
    static const struct {
        const char *kind;
        const char *pattern;
        bool matches;
    } cases[] = {
        { "order.created", "order.created", true },
        { "order.created", "order.deleted", false },
        { "order.created.x", "order.created", false },
        { "order.created", "order.*", true },
        { "Order.created", "order.*", false },
        { "orders/create", "orders/*", true },
        { "orders/item/create", "orders/*", true },
        { "orders.create", "orders/*", false },
        { "orders/create", "orders.*", false },
        { "s3:ObjectCreated:Put", "s3:*", true },
        { "s3:ObjectCreated:Put", "s3:ObjectCreated:*", true },
        { "s3:ObjectCreated", "s3:ObjectCreated:*", false },
        { "order.item.created", "order.*", true },
        { "order.item.created", "order.item.*", true },
        { "order.item", "order.item.*", false },
        { "orders.created", "order.*", false },
        { "order", "order.*", false },
        { "order.", "order.*", false },
        { "stack_update", "order.*", false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        if (kind_matches(str_of(cases[i].kind), str_of(cases[i].pattern)) !=
            cases[i].matches)
            fail_msg("%s %s", cases[i].kind, cases[i].pattern);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(filters_are_numbered_as_on_disk),
        cmocka_unit_test(filters_are_found_in_every_spelling),
        cmocka_unit_test(the_nearest_name_is_the_one_that_was_meant),
        cmocka_unit_test(groups_have_names_levels_and_filters),
        cmocka_unit_test(kinds_without_filter_or_group),
        cmocka_unit_test(custom_kinds_and_patterns_have_separators),
        cmocka_unit_test(what_is_far_from_every_name_was_not_meant),
        cmocka_unit_test(no_own_kind_can_be_taken_for_one_of_pulumi),
        cmocka_unit_test(posthorn_is_reserved_in_any_case),
        cmocka_unit_test(a_star_stands_for_one_or_more_segments),
    };

    return cmocka_run_group_tests_name("kinds", tests, NULL, NULL);
}
