// SPDX-License-Identifier: MIT
// test_classify.c — from an event's kind and payload to its filters and place.

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/encoding/json.h"
#include "common/model/event_kinds.h"
#include "engine/ingest/classify.h"
#include "tests/support/unit.h"

#define IN_STACK "\"projectName\":\"web\",\"stackName\":\"prod\""
#define IN_ENV   "\"projectName\":\"web\",\"environmentName\":\"prod\""

// The bit set of up to two filter names; NULL: none.
static uint64_t bits_of(const char *a, const char *b)
{
    uint64_t bits = 0;

    if (a != NULL)
        bits |= UINT64_C(1) << filter_find(str_of(a));
    if (b != NULL)
        bits |= UINT64_C(1) << filter_find(str_of(b));
    return bits;
}

static struct json *parse(const char *text)
{
    struct json *j = NULL;

    if (json_parse(str_of(text), &json_default_limits, &j, NULL) != OK)
        fail_msg("not JSON: %s", text);
    return j;
}

static void assert_filters(const char *kind, const char *payload,
                           uint64_t expected)
{
    struct json *j = parse(payload);
    struct classified c;
    struct buf why;

    buf_init(&why, 0);
    if (classify_event(str_of(kind), json_root(j), &c, &why) != OK)
        fail_msg("%s %s: %s", kind, payload, buf_cstr(&why));
    if (c.filters != expected) {
        fail_msg("%s %s: %#llx, not %#llx", kind, payload,
                 (unsigned long long)c.filters, (unsigned long long)expected);
    }
    buf_clear(&why);
    json_free(j);
}

static void assert_refused(const char *kind, const char *payload,
                           const char *sentence)
{
    struct json *j = parse(payload);
    struct classified c = { .filters = 7 };
    struct buf why;

    buf_init(&why, 0);
    assert_int_equal(classify_event(str_of(kind), json_root(j), &c, &why),
                     ERR_INVALID);
    assert_string_equal(buf_cstr(&why), sentence);
    assert_true(c.filters == 7); // untouched
    buf_clear(&why);
    json_free(j);
}

// --- published bodies ---

static char *read_file(const char *name)
{
    char path[200];
    char *text = calloc(1, 4096);
    FILE *file;

    snprintf(path, sizeof(path), "tests/golden/raw/%s.json", name);
    file = fopen(path, "rb");
    if (file == NULL || text == NULL)
        fail_msg("%s", path);
    assert_true(fread(text, 1, 4095, file) > 0);
    fclose(file);
    return text;
}

static void the_published_bodies_are_classified(void **state)
{
    static const struct {
        const char *file;
        const char *kind;
        const char *filter;
        const char *second;
        const char *stack;
        const char *env;
    } cases[] = {
        { "deployment_started", "deployment", "deployment_started", NULL,
          "website-prod", "" },
        { "drift_detected", "drift_detection", "drift_detected",
          "drift_detection_succeeded", "website-prod", "" },
        { "drift_remediation_succeeded", "drift_remediation",
          "drift_remediation_succeeded", NULL, "website-prod", "" },
        { "environment_created", "environment", "environment_created", NULL, "",
          "prod" },
        { "environment_revision_created", "environment_revision",
          "environment_revision_created", NULL, "", "prod" },
        { "environment_revision_tag_created", "environment_revision_tag",
          "environment_revision_tag_created", NULL, "", "prod" },
        { "environment_tag_created", "environment_tag",
          "environment_tag_created", NULL, "", "prod" },
        { "imported_environment_changed", "imported_environment_changed",
          "imported_environment_changed", NULL, "", "prod" },
        { "policy_violation_mandatory", "policy_violation",
          "policy_violation_mandatory", NULL, "website-prod", "" },
        { "preview_failed", "stack_preview", "preview_failed", NULL,
          "website-prod", "" },
        { "preview_failed", "stack_update", "preview_failed", NULL,
          "website-prod", "" }, // isPreview is true
        { "refresh_succeeded", "stack_update", "refresh_succeeded", NULL,
          "website-prod", "" },
        { "stack_created", "stack", "stack_created", NULL, "website-prod", "" },
        { "stack_deleted", "stack", "stack_deleted", NULL, "website-prod", "" },
        { "update_failed", "stack_update", "update_failed", NULL,
          "website-prod", "" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char *text = read_file(cases[i].file);
        struct json *j = parse(text);
        struct classified c;
        struct buf why;

        buf_init(&why, 0);
        if (classify_event(str_of(cases[i].kind), json_root(j), &c, &why) != OK)
            fail_msg("%s: %s", cases[i].file, buf_cstr(&why));
        assert_true(c.filters == bits_of(cases[i].filter, cases[i].second));
        assert_true(str_is(c.project, "website"));
        assert_true(str_is(c.stack, cases[i].stack));
        assert_true(str_is(c.env, cases[i].env));
        buf_clear(&why);
        json_free(j);
        free(text);
    }
}

// --- the rule, row by row ---

struct row {
    const char *fields; // of the payload, besides its place
    const char *filter;
    const char *second;
};

static void assert_rows(const char *kind, const char *place,
                        const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct buf payload;

        buf_init(&payload, 0);
        buf_printf(&payload, "{%s%s}", place, rows[i].fields);
        assert_filters(kind, buf_cstr(&payload),
                       bits_of(rows[i].filter, rows[i].second));
        buf_clear(&payload);
    }
}

#define ASSERT_ROWS(kind, place, rows) \
    assert_rows(kind, place, rows, sizeof(rows) / sizeof(*(rows)))

#define UPDATE(kind, result) ",\"kind\":\"" kind "\",\"result\":\"" result "\""

static void stack_kinds_follow_the_table(void **state)
{
    static const struct row stacks[] = {
        { ",\"action\":\"created\"", "stack_created", NULL },
        { ",\"action\":\"deleted\"", "stack_deleted", NULL },
    };
    static const struct row updates[] = {
        { UPDATE("update", "succeeded"), "update_succeeded", NULL },
        { UPDATE("update", "failed"), "update_failed", NULL },
        { UPDATE("destroy", "succeeded"), "destroy_succeeded", NULL },
        { UPDATE("destroy", "failed"), "destroy_failed", NULL },
        { UPDATE("refresh", "succeeded"), "refresh_succeeded", NULL },
        { UPDATE("refresh", "failed"), "refresh_failed", NULL },
        { UPDATE("import", "succeeded"), "import_succeeded", NULL },
        { UPDATE("import", "failed"), "import_failed", NULL },
        { UPDATE("update", "in-progress"), NULL, NULL },
        { UPDATE("update", "not-started"), NULL, NULL },
        { UPDATE("update", "FAILED"), NULL, NULL },
        { UPDATE("rename", "succeeded"), NULL, NULL },
        { UPDATE("preview", "succeeded"), NULL, NULL },
        { UPDATE("deployment", "failed"), NULL, NULL }, // of another kind
        { UPDATE("drift_detection", "failed"), NULL, NULL },
        { UPDATE("up\\u0000date", "failed"), NULL, NULL },
        { UPDATE("update", "failed") ",\"isPreview\":false", "update_failed",
          NULL },
        { UPDATE("update", "failed") ",\"isPreview\":null", "update_failed",
          NULL },
        { UPDATE("update", "failed") ",\"isPreview\":true", "preview_failed",
          NULL },
        { UPDATE("destroy", "succeeded") ",\"isPreview\":true",
          "preview_succeeded", NULL },
        { UPDATE("update", "in-progress") ",\"isPreview\":true", NULL, NULL },
    };
    static const struct row previews[] = {
        { UPDATE("update", "succeeded"), "preview_succeeded", NULL },
        { UPDATE("destroy", "failed"), "preview_failed", NULL },
        { ",\"result\":\"failed\"", "preview_failed", NULL },
        { ",\"result\":\"in-progress\"", NULL, NULL },
    };

    (void)state;
    ASSERT_ROWS("stack", IN_STACK, stacks);
    ASSERT_ROWS("stack_update", IN_STACK, updates);
    ASSERT_ROWS("stack_preview", IN_STACK, previews);
}

#define STATUS(status)          ",\"status\":\"" status "\""
#define DRIFT(status, detected) STATUS(status) ",\"driftDetected\":" detected ""

static void deployment_kinds_follow_the_table(void **state)
{
    static const struct row deployments[] = {
        { STATUS("queued"), "deployment_queued", NULL },
        { STATUS("not-started"), "deployment_queued", NULL },
        { STATUS("accepted"), "deployment_queued", NULL },
        { STATUS("running"), "deployment_started", NULL },
        { STATUS("succeeded"), "deployment_succeeded", NULL },
        { STATUS("failed"), "deployment_failed", NULL },
        { STATUS("skipped"), NULL, NULL },
        { STATUS("file_ingestion_failed"), NULL, NULL },
    };
    static const struct row detections[] = {
        { DRIFT("succeeded", "true"), "drift_detected",
          "drift_detection_succeeded" },
        { DRIFT("succeeded", "false"), "drift_detection_succeeded", NULL },
        { DRIFT("failed", "false"), "drift_detection_failed", NULL },
        { DRIFT("failed", "true"), "drift_detected", "drift_detection_failed" },
        { STATUS("failed"), "drift_detection_failed", NULL },
        { STATUS("running"), NULL, NULL },
        { DRIFT("running", "true"), "drift_detected", NULL },
    };
    static const struct row remediations[] = {
        { STATUS("succeeded"), "drift_remediation_succeeded", NULL },
        { STATUS("failed"), "drift_remediation_failed", NULL },
        { STATUS("running"), NULL, NULL },
    };
    static const struct row ingestions[] = {
        { STATUS("failed"), "deployment_file_ingestion_failed", NULL },
        { STATUS("succeeded"), NULL, NULL },
    };
    static const struct row violations[] = {
        { ",\"enforcementLevel\":\"mandatory\"", "policy_violation_mandatory",
          NULL },
        { ",\"enforcementLevel\":\"advisory\"", "policy_violation_advisory",
          NULL },
        { ",\"enforcementLevel\":\"remediate\"", NULL, NULL },
    };

    (void)state;
    ASSERT_ROWS("deployment", IN_STACK, deployments);
    ASSERT_ROWS("drift_detection", IN_STACK, detections);
    ASSERT_ROWS("drift_remediation", IN_STACK, remediations);
    ASSERT_ROWS("deployment_file_ingestion", IN_STACK, ingestions);
    ASSERT_ROWS("policy_violation", IN_STACK, violations);
}

#define ACTION(action) ",\"action\":\"" action "\""

static void environment_kinds_follow_the_table(void **state)
{
    static const struct row environments[] = {
        { ACTION("created"), "environment_created", NULL },
        { ACTION("deleted"), "environment_deleted", NULL },
    };
    static const struct row revisions[] = {
        { ACTION("created"), "environment_revision_created", NULL },
        { ACTION("retracted"), "environment_revision_retracted", NULL },
    };
    static const struct row revision_tags[] = {
        { ACTION("created"), "environment_revision_tag_created", NULL },
        { ACTION("updated"), "environment_revision_tag_updated", NULL },
        { ACTION("deleted"), "environment_revision_tag_deleted", NULL },
    };
    static const struct row tags[] = {
        { ACTION("created"), "environment_tag_created", NULL },
        { ACTION("updated"), "environment_tag_updated", NULL },
        { ACTION("deleted"), "environment_tag_deleted", NULL },
    };
    static const struct row imports[] = {
        { "", "imported_environment_changed", NULL },
    };
    static const struct row rotations[] = {
        { STATUS("succeeded"), "environment_rotation_succeeded", NULL },
        { ",\"result\":\"failed\"", "environment_rotation_failed", NULL },
        { STATUS("running"), NULL, NULL },
    };
    static const struct row requests[] = {
        { ACTION("created"), "change_request_created", NULL },
        { ACTION("updated"), "change_request_updated", NULL },
        { ACTION("approved"), "change_request_approved", NULL },
        { ACTION("unapproved"), "change_request_unapproved", NULL },
        { ACTION("closed"), "change_request_closed", NULL },
        { ACTION("applied"), "change_request_applied", NULL },
        { ACTION("submitted"), "change_request_submitted", NULL },
        { ACTION("reopened"), NULL, NULL },
    };

    (void)state;
    ASSERT_ROWS("environment", IN_ENV, environments);
    ASSERT_ROWS("environment_revision", IN_ENV, revisions);
    ASSERT_ROWS("environment_revision_tag", IN_ENV, revision_tags);
    ASSERT_ROWS("environment_tag", IN_ENV, tags);
    ASSERT_ROWS("imported_environment_changed", IN_ENV, imports);
    ASSERT_ROWS("environment_rotation", IN_ENV, rotations);
    ASSERT_ROWS("change_request", IN_ENV, requests);
}

// --- what is refused ---

#define NAME_RULE                                                             \
    "must be a string of 1 to 100 characters without control characters, it " \
    "is "

static const struct {
    const char *kind;
    const char *payload;
    const char *sentence;
} faulty[] = {
    { "stack", "{" IN_STACK ",\"action\":\"x\"}",
      "payload.action must be \"created\" or \"deleted\", it is \"x\"" },
    { "stack", "{" IN_STACK "}",
      "payload.action must be \"created\" or \"deleted\", it is missing" },
    { "stack", "{" IN_STACK ",\"action\":{}}",
      "payload.action must be \"created\" or \"deleted\", it is an "
      "object" },
    { "environment_revision", "{" IN_ENV ",\"action\":\"deleted\"}",
      "payload.action must be \"created\" or \"retracted\", it is "
      "\"deleted\"" },
    { "environment_tag", "{" IN_ENV ",\"action\":\"retracted\"}",
      "payload.action must be \"created\", \"updated\" or \"deleted\", it "
      "is \"retracted\"" },
    { "environment_revision_tag", "{" IN_ENV ",\"action\":\"\"}",
      "payload.action must be \"created\", \"updated\" or \"deleted\", it "
      "is \"\"" },
    { "environment", "{" IN_ENV ",\"action\":null}",
      "payload.action must be \"created\" or \"deleted\", it is null" },
    { "change_request", "{" IN_ENV "}",
      "payload.action must be a string like \"created\", it is missing" },
    { "stack_update", "{" IN_STACK ",\"result\":\"failed\"}",
      "payload.kind must be a string like \"update\", it is missing" },
    { "stack_update", "{" IN_STACK ",\"kind\":\"update\",\"result\":1}",
      "payload.result must be a string like \"succeeded\", it is a "
      "number" },
    { "stack_update",
      "{" IN_STACK ",\"kind\":\"update\",\"result\":\"failed\","
      "\"isPreview\":\"true\"}",
      "payload.isPreview must be a boolean, it is \"true\"" },
    { "stack_preview", "{" IN_STACK "}",
      "payload.result must be a string like \"succeeded\", it is "
      "missing" },
    { "deployment", "{" IN_STACK ",\"status\":[]}",
      "payload.status must be a string like \"running\", it is an array" },
    { "drift_detection", "{" IN_STACK ",\"status\":\"succeeded\"}",
      "payload.driftDetected must be a boolean, it is missing" },
    { "drift_detection",
      "{" IN_STACK ",\"status\":\"failed\",\"driftDetected\":0}",
      "payload.driftDetected must be a boolean, it is a number" },
    { "drift_detection", "{" IN_STACK ",\"driftDetected\":true}",
      "payload.status must be a string like \"succeeded\", it is "
      "missing" },
    { "drift_remediation", "{" IN_STACK "}",
      "payload.status must be a string like \"succeeded\", it is "
      "missing" },
    { "deployment_file_ingestion", "{" IN_STACK "}",
      "payload.status must be a string like \"failed\", it is missing" },
    { "policy_violation", "{" IN_STACK "}",
      "payload.enforcementLevel must be a string like \"mandatory\", it is "
      "missing" },
    { "environment_rotation", "{" IN_ENV "}",
      "payload.status must be a string like \"succeeded\", it is "
      "missing" },
    { "stack", "{\"stackName\":\"prod\",\"action\":\"created\"}",
      "payload.projectName " NAME_RULE "missing" },
    { "stack", "{\"projectName\":\"web\",\"action\":\"created\"}",
      "payload.stackName " NAME_RULE "missing" },
    { "environment", "{\"projectName\":\"web\",\"stackName\":\"prod\"}",
      "payload.environmentName " NAME_RULE "missing" },
    { "stack", "{\"projectName\":\"\",\"stackName\":\"prod\"}",
      "payload.projectName " NAME_RULE "\"\"" },
    { "stack", "{\"projectName\":\"a\\nb\",\"stackName\":\"prod\"}",
      "payload.projectName " NAME_RULE "\"a\\nb\"" },
    { "stack", "{\"projectName\":\"a\\u0000\",\"stackName\":\"prod\"}",
      "payload.projectName " NAME_RULE "\"a\\u0000\"" },
    { "stack", "{\"projectName\":\"a\\u007f\",\"stackName\":\"prod\"}",
      "payload.projectName " NAME_RULE "\"a\\u007f\"" },
    { "stack", "{\"projectName\":\"a\\u0085\",\"stackName\":\"prod\"}",
      "payload.projectName " NAME_RULE "\"a\\u0085\"" },
    { "stack", "[]", "payload must be an object, it is an array" },
};

static void the_sentence_names_the_field(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(faulty) / sizeof(*faulty); i++)
        assert_refused(faulty[i].kind, faulty[i].payload, faulty[i].sentence);
}

#define CUSTOM_RULE                                                           \
    " is not valid: own kinds are segments of A-Z, a-z, 0-9, _ and - with a " \
    "dot, slash or colon between two, like \"order.created\", at most 64 "    \
    "characters"
#define OWN_RULE                                                               \
    "own kinds need a dot, slash or colon, like order.created, orders/create " \
    "or s3:ObjectCreated:Put"
#define RESERVED_RULE                                                      \
    " is the engine's own; kinds whose first segment is posthorn, in any " \
    "case, "                                                               \
    "cannot be posted"

static void a_wrong_kind_gets_a_hint(void **state)
{
    static const struct {
        const char *kind;
        const char *sentence;
    } cases[] = {
        { "stack_updat", "kind \"stack_updat\" is not known; did you mean "
                         "\"stack_update\"? " OWN_RULE },
        { "Stack",
          "kind \"Stack\" is not known; did you mean \"stack\"? " OWN_RULE },
        { "STACK_UPDATE", "kind \"STACK_UPDATE\" is not known; did you mean "
                          "\"stack_update\"? " OWN_RULE },
        { "order_created", "kind \"order_created\" is not known; " OWN_RULE },
        { "push", "kind \"push\" is not known; " OWN_RULE },
        { "posthorn.hook.failing",
          "kind \"posthorn.hook.failing\"" RESERVED_RULE },
        { "Posthorn.x", "kind \"Posthorn.x\"" RESERVED_RULE },
        { "POSTHORN/x", "kind \"POSTHORN/x\"" RESERVED_RULE },
        { "posthorn:", "kind \"posthorn:\"" RESERVED_RULE },
        { "update_failed", "kind \"update_failed\" is a filter; the kind of "
                           "its events is \"stack_update\"" },
        { "ping",
          "kind \"ping\" is not an event; a hook's ping call sends it" },
        { "Order..Created", "kind \"Order..Created\"" CUSTOM_RULE },
        { "https://x", "kind \"https://x\"" CUSTOM_RULE },
        { "order.", "kind \"order.\"" CUSTOM_RULE },
        { "order.*", "kind \"order.*\"" CUSTOM_RULE },
        { "", "kind \"\"" CUSTOM_RULE },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        assert_refused(cases[i].kind, "{" IN_STACK "}", cases[i].sentence);
}

static void a_missing_payload_is_refused(void **state)
{
    struct classified c;
    struct buf why;

    (void)state;
    buf_init(&why, 0);
    assert_int_equal(classify_event(STR("stack"), NULL, &c, &why), ERR_INVALID);
    assert_string_equal(buf_cstr(&why),
                        "payload must be an object, it is missing");
    buf_clear(&why);
}

// --- names ---

static void names_have_at_most_100_characters(void **state)
{
    (void)state;
    for (size_t n = 100; n <= 101; n++) {
        struct buf payload;
        struct buf why;
        struct classified c;
        struct json *j;

        buf_init(&payload, 0);
        buf_init(&why, 0);
        buf_puts(&payload, "{\"action\":\"created\",\"projectName\":\"p\","
                           "\"stackName\":\"");
        for (size_t i = 0; i < n; i++)
            buf_puts(&payload, "\xc3\xa9"); // two bytes each
        buf_puts(&payload, "\"}");
        j = parse(buf_cstr(&payload));
        assert_int_equal(classify_event(STR("stack"), json_root(j), &c, &why),
                         n <= 100 ? OK : ERR_INVALID);
        if (n <= 100)
            assert_int_equal(c.stack.n_bytes, 200);
        json_free(j);
        buf_clear(&why);
        buf_clear(&payload);
    }
}

static void assert_place(const char *kind, const char *payload,
                         const char *project, const char *stack,
                         const char *env)
{
    struct json *j = parse(payload);
    struct classified c;
    struct buf why;

    buf_init(&why, 0);
    if (classify_event(str_of(kind), json_root(j), &c, &why) != OK)
        fail_msg("%s: %s", payload, buf_cstr(&why));
    assert_true(c.filters == 0);
    assert_true(str_is(c.project, project));
    assert_true(str_is(c.stack, stack));
    assert_true(str_is(c.env, env));
    buf_clear(&why);
    json_free(j);
}

static void custom_kinds_take_the_names_they_have(void **state)
{
    (void)state;
    assert_place("order.created", "{}", "", "", "");
    assert_place("order.created", "{\"projectName\":\"p\"}", "p", "", "");
    assert_place("order.created",
                 "{\"projectName\":\"p\",\"stackName\":\"s\","
                 "\"environmentName\":\"e\"}",
                 "p", "s", "e");
    assert_place("order.created", "{\"projectName\":\"p\",\"stackName\":null}",
                 "p", "", "");
    // Another service's payload has members with these names: they name no scope.
    assert_place("order.created",
                 "{\"projectName\":5,\"stackName\":\"\","
                 "\"environmentName\":{}}",
                 "", "", "");
    assert_place("order.created",
                 "{\"projectName\":\"a\\nb\",\"stackName\":\"s\"}", "", "s",
                 "");
    assert_place("order.created", "{\"action\":7,\"status\":[],\"kind\":{}}",
                 "", "", "");
}

static void team_is_for_the_organization(void **state)
{
    (void)state;
    assert_place("team",
                 "{\"action\":\"updated\",\"stackName\":\"website-prod\","
                 "\"team\":{\"kind\":\"github\",\"members\":[]}}",
                 "", "", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_published_bodies_are_classified),
        cmocka_unit_test(stack_kinds_follow_the_table),
        cmocka_unit_test(deployment_kinds_follow_the_table),
        cmocka_unit_test(environment_kinds_follow_the_table),
        cmocka_unit_test(the_sentence_names_the_field),
        cmocka_unit_test(a_wrong_kind_gets_a_hint),
        cmocka_unit_test(a_missing_payload_is_refused),
        cmocka_unit_test(names_have_at_most_100_characters),
        cmocka_unit_test(custom_kinds_take_the_names_they_have),
        cmocka_unit_test(team_is_for_the_organization),
    };

    return cmocka_run_group_tests_name("classify", tests, NULL, NULL);
}
