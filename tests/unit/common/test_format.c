// SPDX-License-Identifier: MIT
// test_format.c — bodies of every format for every kind, against golden files.
//
// After an intended change, write the golden files again and read the difference:
//   GOLDEN_WRITE=1 BUILD/tests/test_format && git diff tests/golden

#include "common/model/formats/format_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/arena.h"
#include "common/base/utf8.h"
#include "common/encoding/json.h"
#include "tests/support/unit.h"

#define FILE_MAX_BYTES 40000

// Slack: 10,000 of all texts. Teams: the cap chosen for a message.
#define SLACK_TEXT_MAX_BYTES 10000
#define SLACK_FIELD_MAX      2000
#define TEAMS_MAX_BYTES      20480

static const struct {
    const char *file; // in golden/raw, and in the folder of each format
    const char *kind;
} cases[] = {
    { "ping", "ping" },
    { "stack_created", "stack" },
    { "stack_deleted", "stack" },
    { "preview_succeeded", "stack_preview" },
    { "preview_failed", "stack_preview" },
    { "update_succeeded", "stack_update" },
    { "update_failed", "stack_update" },
    { "update_in_progress", "stack_update" },
    { "destroy_succeeded", "stack_update" },
    { "destroy_failed", "stack_update" },
    { "refresh_succeeded", "stack_update" },
    { "refresh_failed", "stack_update" },
    { "import_succeeded", "stack_update" },
    { "import_failed", "stack_update" },
    { "deployment_queued", "deployment" },
    { "deployment_started", "deployment" },
    { "deployment_succeeded", "deployment" },
    { "deployment_failed", "deployment" },
    { "deployment_skipped", "deployment" },
    { "deployment_file_ingestion_failed", "deployment_file_ingestion" },
    { "drift_detected", "drift_detection" },
    { "drift_detection_succeeded", "drift_detection" },
    { "drift_detection_failed", "drift_detection" },
    { "drift_remediation_succeeded", "drift_remediation" },
    { "drift_remediation_failed", "drift_remediation" },
    { "policy_violation_mandatory", "policy_violation" },
    { "policy_violation_advisory", "policy_violation" },
    { "environment_created", "environment" },
    { "environment_deleted", "environment" },
    { "environment_revision_created", "environment_revision" },
    { "environment_revision_retracted", "environment_revision" },
    { "environment_revision_tag_created", "environment_revision_tag" },
    { "environment_revision_tag_updated", "environment_revision_tag" },
    { "environment_tag_created", "environment_tag" },
    { "environment_tag_deleted", "environment_tag" },
    { "imported_environment_changed", "imported_environment_changed" },
    { "environment_rotation_failed", "environment_rotation" },
    { "change_request_approved", "change_request" },
    { "team_updated", "team" },
    { "custom_order", "order.created" },
    { "custom_empty", "order.item.removed" },
    { "custom_array", "orders/create" },
    { "custom_text", "Microsoft.Storage.BlobCreated" },
    { "custom_null", "s3:ObjectRemoved:Delete" },
    { "own_failing", "posthorn.hook.failing" },
    { "own_recovered", "posthorn.hook.recovered" },
    { "own_disabled", "posthorn.hook.disabled" },
    { "own_dead", "posthorn.delivery.dead" },
    { "hostile", "stack_update" },
};

#define N_CASES (sizeof(cases) / sizeof(cases[0]))

static const struct format *const rendered_formats[] = {
    &format_slack, &format_ms_teams, &format_pulumi_deployments, &format_akinon,
    &format_cloudevents
};

#define N_FORMATS (sizeof(rendered_formats) / sizeof(rendered_formats[0]))

static struct str read_golden(struct arena *arena, const char *folder,
                              const char *file)
{
    char path[200];
    char *text = arena_take(arena, FILE_MAX_BYTES);
    FILE *f;
    size_t n_bytes;

    snprintf(path, sizeof(path), "tests/golden/%s/%s.json", folder, file);
    f = fopen(path, "rb");
    if (f == NULL)
        fail_msg("%s", path);
    n_bytes = fread(text, 1, FILE_MAX_BYTES, f);
    fclose(f);
    return (struct str){ text, n_bytes };
}

static void write_golden(const char *folder, const char *file, struct str body)
{
    char path[200];
    FILE *f;

    snprintf(path, sizeof(path), "tests/golden/%s/%s.json", folder, file);
    f = fopen(path, "wb");
    if (f == NULL)
        fail_msg("%s", path);
    assert_int_equal(fwrite(body.at, 1, body.n_bytes, f), body.n_bytes);
    fclose(f);
}

static const struct id event_id = { { 0x78, 0xb5, 0x05, 0xba, 0xd5, 0x33, 0x4e,
                                      0x1d, 0xa8, 0x55, 0x2b, 0x4d, 0x90, 0x3c,
                                      0x87, 0xaa } };

// The event that such a payload comes from.
static struct format_event event_of(const char *kind, struct str payload,
                                    const struct json_value *root)
{
    return (struct format_event){
        .id = &event_id,
        .kind = str_of(kind),
        .org = STR("crazy-adventures"),
        .project = json_str(json_get(root, "projectName")),
        .stack = json_str(json_get(root, "stackName")),
        .env = json_str(json_get(root, "environmentName")),
        .payload = payload,
        .accepted_at_us = INT64_C(1765028075765432),
    };
}

// --- what must hold of any body ---

// Bytes of all strings below.
static size_t text_bytes(const struct json_value *v)
{
    struct json_iter it = json_iter(v);
    const struct json_value *item;
    size_t n = json_str(v).n_bytes;

    while ((item = json_next(&it, NULL)) != NULL)
        n += text_bytes(item);
    return n;
}

static void check_slack(const struct json_value *root)
{
    const struct json_value *list = json_get(root, "attachments");
    struct json_iter it = json_iter(list);
    struct json_iter blocks =
        json_iter(json_get(json_next(&it, NULL), "blocks"));
    const struct json_value *title = json_next(&blocks, NULL);
    const struct json_value *fields =
        json_get(json_next(&blocks, NULL), "fields");
    const struct json_value *field;

    assert_true(json_str(json_get(root, "text")).n_bytes > 0);
    assert_true(text_bytes(root) <= SLACK_TEXT_MAX_BYTES);
    assert_true(json_str(json_get(json_get(title, "text"), "text")).n_bytes <=
                3000);
    assert_true(json_size(fields) <= 10);
    it = json_iter(fields);
    while ((field = json_next(&it, NULL)) != NULL) {
        struct str text = json_str(json_get(field, "text"));

        assert_true(text.n_bytes > 0 && text.n_bytes <= SLACK_FIELD_MAX);
        for (size_t i = 0; i < text.n_bytes; i++)
            assert_true(text.at[i] != '<' && text.at[i] != '>');
    }
}

static void check_body(const struct format *format, struct str body)
{
    struct json *json;
    struct buf why;

    buf_init(&why, 0);
    assert_true(utf8_is_valid(body.at, body.n_bytes));
    if (json_parse(body, &json_default_limits, &json, &why) != OK)
        fail_msg("%s: %s", format->name, buf_cstr(&why));
    assert_true(json_is(json_root(json), JSON_OBJECT));
    if (format == &format_slack)
        check_slack(json_root(json));
    if (format == &format_ms_teams)
        assert_true(body.n_bytes <= TEAMS_MAX_BYTES);
    json_free(json);
    buf_clear(&why);
}

// --- tests ---

static void compare(const struct format *format, const char *file,
                    struct str body)
{
    struct arena arena = { NULL };
    struct str wanted;

    if (getenv("GOLDEN_WRITE") != NULL)
        write_golden(format->name, file, body);
    wanted = read_golden(&arena, format->name, file);
    if (!str_eq(wanted, body)) {
        fail_msg("%s of %s:\n%.*s\nwanted:\n%.*s", format->name, file,
                 STR_ARG(body), STR_ARG(wanted));
    }
    arena_clear(&arena);
}

static void bodies_are_as_the_golden_files(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_CASES; i++) {
        struct arena arena = { NULL };
        struct str payload = read_golden(&arena, "raw", cases[i].file);
        struct format_event event;
        struct json *json;

        assert_int_equal(json_parse(payload, &json_default_limits, &json, NULL),
                         OK);
        event = event_of(cases[i].kind, payload, json_root(json));
        for (size_t k = 0; k < N_FORMATS; k++) {
            struct buf body;

            buf_init(&body, 0);
            rendered_formats[k]->render(&event, &body);
            check_body(rendered_formats[k], buf_str(&body));
            compare(rendered_formats[k], cases[i].file, buf_str(&body));
            buf_clear(&body);
        }
        json_free(json);
        arena_clear(&arena);
    }
}

// A random generator of this test, so that a failure can be repeated with its seed.
static uint64_t next_random(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + 1442695040888963407U;
    return *seed >> 33;
}

static void put_random_text(uint64_t *seed, struct buf *out)
{
    static const char *const pieces[] = {
        "<",
        ">",
        "&",
        "](",
        "[",
        "*",
        "_",
        "`",
        "|",
        "é",
        "🍹",
        " ",
        "\n",
        "\x01\x1f",
        "\x7f",
        "\"",
        "/",
        "a",
        "b",
        "https://",
        "@",
        "#",
        "\xe2\x80\xae",
        "<!channel>",
        "&amp;",
        "\\",
    };
    struct buf text;

    buf_init(&text, 0);
    for (uint64_t n = next_random(seed) % 8 == 0 ? next_random(seed) % 3000
                                                 : next_random(seed) % 20;
         n > 0; n--) {
        buf_puts(
            &text,
            pieces[next_random(seed) % (sizeof(pieces) / sizeof(pieces[0]))]);
    }
    buf_put_json(out, buf_str(&text));
    buf_clear(&text);
}

static void put_random(uint64_t *seed, unsigned depth, struct buf *out)
{
    static const char *const scalars[] = { "null",  "true",  "false",     "-0",
                                           "1e999", "12.50", "\"x\"",     "[]",
                                           "{}",    "-9e-9", "\"failed\"" };
    uint64_t choice = next_random(seed) % 4;

    if (choice == 0 || depth == 0) {
        buf_puts(out, scalars[next_random(seed) %
                              (sizeof(scalars) / sizeof(scalars[0]))]);
    } else if (choice < 3) {
        put_random_text(seed, out);
    } else {
        buf_puts(out, "[");
        put_random(seed, depth - 1, out);
        buf_puts(out, ",{\"name\":");
        put_random(seed, depth - 1, out);
        buf_puts(out, "}]");
    }
}

static void put_random_payload(uint64_t *seed, struct buf *out)
{
    static const char *const keys[] = {
        "user",          "kind",
        "result",        "status",
        "action",        "updateUrl",
        "version",       "resourceChanges",
        "message",       "affectedRevisions",
        "driftDetected", "importedEnvironmentReference",
        "team",          "tagName",
        "projectName",   "stackName",
    };
    const char *separator = "{";

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (next_random(seed) % 3 == 0)
            continue;
        buf_printf(out, "%s\"%s\":", separator, keys[i]);
        if (next_random(seed) % 3 == 0) {
            buf_puts(out, "{\"name\":");
            put_random_text(seed, out);
            buf_puts(out, ",\"githubLogin\":");
            put_random(seed, 2, out);
            buf_putc(out, '}');
        } else {
            put_random(seed, 3, out);
        }
        separator = ",";
    }
    buf_puts(out, *separator == '{' ? "{}" : "}");
}

static void any_payload_gives_a_good_body(void **state)
{
    uint64_t seed = 20261121;

    (void)state;
    for (size_t i = 0; i < 5000; i++) {
        struct buf payload, body;
        struct format_event event;
        struct json *json = NULL;

        buf_init(&payload, 0);
        buf_init(&body, 0);
        put_random_payload(&seed, &payload);
        assert_int_equal(
            json_parse(buf_str(&payload), &json_default_limits, &json, NULL),
            OK);
        event = event_of(cases[i % N_CASES].kind, buf_str(&payload),
                         json_root(json));
        for (size_t k = 0; k < N_FORMATS; k++) {
            buf_reset(&body);
            rendered_formats[k]->render(&event, &body);
            check_body(rendered_formats[k], buf_str(&body));
        }
        json_free(json);
        buf_clear(&body);
        buf_clear(&payload);
    }
}

static void a_payload_that_is_no_json_gives_a_good_body(void **state)
{
    static const char *const payloads[] = { "", "{", "\xff", "[1,", "nul" };

    (void)state;
    for (size_t i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++) {
        struct format_event event =
            event_of("stack_update", str_of(payloads[i]), NULL);

        for (size_t k = 0; k < N_FORMATS; k++) {
            struct buf body;

            buf_init(&body, 0);
            rendered_formats[k]->render(&event, &body);
            check_body(rendered_formats[k], buf_str(&body));
            buf_clear(&body);
        }
    }
}

static void deployments_have_an_address(void **state)
{
    static const struct {
        const char *base, *org, *target;
        bool stack_itself;
        const char *wanted;
    } rows[] = {
        { "https://api.example.com", "acme", "web/prod", false,
          "https://api.example.com/api/stacks/acme/web/prod/deployments" },
        { "http://127.0.0.1:9//", "acme", "web/prod", true,
          "http://127.0.0.1:9/api/stacks/acme/web/prod" },
        { "https://a", "a", "w?x/p#y", false,
          "https://a/api/stacks/a/w%3Fx/p%23y/deployments" },
        { "https://a", "a", "é/%", false,
          "https://a/api/stacks/a/%C3%A9/%25/deployments" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf url;

        buf_init(&url, 0);
        format_deployments_url(str_of(rows[i].base), str_of(rows[i].org),
                               str_of(rows[i].target), rows[i].stack_itself,
                               &url);
        assert_string_equal(buf_cstr(&url), rows[i].wanted);
        buf_clear(&url);
    }
}

static void the_table_is_found_by_name_and_number(void **state)
{
    struct buf names;

    (void)state;
    buf_init(&names, 0);
    format_put_names(&names);
    assert_string_equal(
        buf_cstr(&names),
        "raw, slack, ms_teams, pulumi_deployments, cloudevents");
    for (int number = 1; number <= 5; number++) {
        const struct format *format = format_by_number(number);

        assert_non_null(format);
        assert_ptr_equal(format_by_name(str_of(format->name)), format);
    }
    assert_null(format_by_number(0));
    assert_null(format_by_name(STR("xml")));
    buf_clear(&names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_are_as_the_golden_files),
        cmocka_unit_test(any_payload_gives_a_good_body),
        cmocka_unit_test(a_payload_that_is_no_json_gives_a_good_body),
        cmocka_unit_test(deployments_have_an_address),
        cmocka_unit_test(the_table_is_found_by_name_and_number),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
