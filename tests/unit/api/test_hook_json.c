// SPDX-License-Identifier: MIT
// test_hook_json.c — hooks as JSON: what is read, refused, merged and printed.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/json/headers_json.h"
#include "api/json/pulumi_hook_json.h"
#include "tests/support/unit.h"

#define SLACK_PREFIXES "https://hooks.slack.com/, http://127.0.0.1:9/"

// A create's body with what every create needs, and `more` after it.
#define BASE                                               \
    "\"organizationName\":\"acme\",\"displayName\":\"d\"," \
    "\"payloadUrl\":\"https://example.com/x\",\"active\":true"
#define WITH(more) "{" BASE "," more "}"

#define TO(url, more)                                       \
    "{\"organizationName\":\"acme\",\"displayName\":\"d\"," \
    "\"active\":true,\"payloadUrl\":\"" url "\"" more "}"

// The beginning and the end of a printed hook of an organization.
#define HEAD \
    "{\"organizationName\":\"acme\",\"name\":\"\",\"displayName\":\"d\","
#define URL       "\"payloadUrl\":\"https://example.com/x\","
#define KEY       "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk" // HOOK_KEY_BYTES
#define NO_SECRET ",\"hasSecret\":false,\"secretCiphertext\":\"\"}"
#define PLAIN     HEAD URL "\"active\":true,\"format\":\"raw\"" NO_SECRET

struct fixture {
    struct arena arena;
    struct buf why;
    struct buf printed;
    struct hook hook;
};

static struct hook_scope scope_of(enum hook_level level)
{
    struct hook_scope scope = { .dialect = DIALECT_PULUMI,
                                .level = level,
                                .org = STR("acme") };

    if (level != LEVEL_ORGANIZATION) {
        scope.project = STR("web");
        scope.target = STR("prod");
    }
    return scope;
}

static void open_fixture(struct fixture *f, enum hook_level level)
{
    memset(f, 0, sizeof(*f));
    buf_init(&f->why, 4096);
    buf_init(&f->printed, 0);
    f->hook.scope = scope_of(level);
}

static void clear_fixture(struct fixture *f)
{
    arena_clear(&f->arena);
    buf_clear(&f->why);
    buf_clear(&f->printed);
}

static enum err apply(struct fixture *f, const char *text, bool is_new)
{
    struct validation validation = { .arena = &f->arena,
                                     .slack_url_prefixes = SLACK_PREFIXES,
                                     .now_ms = 1000000,
                                     .secret_overlap_ms = 5000,
                                     .why = &f->why };
    struct json *json = NULL;
    enum err err;

    assert_int_equal(
        json_parse(str_of(text), &json_default_limits, &json, NULL), OK);
    err = is_new ? hook_read_new(&validation, json_root(json), &f->hook)
                 : hook_merge(&validation, json_root(json), &f->hook);
    json_free(json); // the hook must not point into it
    return err;
}

static void assert_printed(struct fixture *f, const char *wanted)
{
    static const struct hook_showing to = { .ciphertext_key =
                                                (const uint8_t *)KEY };
    struct json_writer w = json_writer(&f->printed);

    buf_reset(&f->printed);
    json_open_object(&w, NULL);
    hook_print(&to, &f->hook, &w);
    json_close(&w);
    assert_string_equal(buf_cstr(&f->printed), wanted);
}

static void create_is_printed_back(void **state)
{
    static const struct {
        enum hook_level level;
        const char *body;
        const char *printed;
    } cases[] = {
        { LEVEL_ORGANIZATION, "{" BASE "}", PLAIN },
        { LEVEL_ORGANIZATION, WITH("\"name\":\"\""), PLAIN },
        { LEVEL_ORGANIZATION, WITH("\"name\":null"), PLAIN },
        { LEVEL_ORGANIZATION, WITH("\"format\":\"\",\"secret\":\"\""), PLAIN },
        { LEVEL_ORGANIZATION, WITH("\"filters\":null,\"groups\":[]"), PLAIN },
        { LEVEL_ORGANIZATION,
          WITH("\"hasSecret\":true,\"secretCiphertext\":\"x\",\"other\":[1]"),
          PLAIN },
        { LEVEL_ORGANIZATION, WITH("\"projectName\":\"any\""), PLAIN },
        { LEVEL_ORGANIZATION, WITH("\"secret\":\"mysecret\""),
          HEAD URL
          "\"active\":true,\"format\":\"raw\",\"hasSecret\":true,"
          "\"secretCiphertext\":\"1e5d73eca4cd85d11ffc2d7ea2170ffb38172573ca03"
          "2bc02e27e68a2f2bbfe2\"}" },
        { LEVEL_ORGANIZATION,
          WITH("\"groups\":[\"stacks\",\"deployments\",\"stacks\"]"),
          HEAD URL "\"active\":true,\"format\":\"raw\","
                   "\"groups\":[\"deployments\",\"stacks\"]" NO_SECRET },
        { LEVEL_ORGANIZATION,
          WITH("\"filters\":[\"Refresh failed\",\"order.*\",\"a.b\",\"a.b\"]"),
          HEAD URL
          "\"active\":true,\"format\":\"raw\","
          "\"filters\":[\"refresh_failed\",\"order.*\",\"a.b\"]" NO_SECRET },
        { LEVEL_STACK, WITH("\"stackName\":\"prod\",\"projectName\":\"web\""),
          "{\"organizationName\":\"acme\",\"projectName\":\"web\","
          "\"stackName\":\"prod\",\"name\":\"\",\"displayName\":\"d\"," URL
          "\"active\":true,\"format\":\"raw\"" NO_SECRET },
        { LEVEL_ENVIRONMENT, WITH("\"envName\":\"prod\""),
          "{\"organizationName\":\"acme\",\"projectName\":\"web\","
          "\"envName\":\"prod\",\"name\":\"\",\"displayName\":\"d\"," URL
          "\"active\":true,\"format\":\"raw\"" NO_SECRET },
        { LEVEL_ORGANIZATION,
          TO("https://hooks.slack.com/x", ",\"format\":\"slack\""),
          HEAD "\"payloadUrl\":\"https://hooks.slack.com/x\","
               "\"active\":true,\"format\":\"slack\"" NO_SECRET },
        { LEVEL_ORGANIZATION,
          TO("http://127.0.0.1:9/x", ",\"format\":\"slack\""),
          HEAD "\"payloadUrl\":\"http://127.0.0.1:9/x\","
               "\"active\":true,\"format\":\"slack\"" NO_SECRET },
        { LEVEL_ORGANIZATION, TO("https://a/", ",\"format\":\"ms_teams\""),
          HEAD "\"payloadUrl\":\"https://a/\","
               "\"active\":true,\"format\":\"ms_teams\"" NO_SECRET },
        { LEVEL_STACK, TO("web/prod", ",\"format\":\"pulumi_deployments\""),
          "{\"organizationName\":\"acme\",\"projectName\":\"web\","
          "\"stackName\":\"prod\",\"name\":\"\",\"displayName\":\"d\","
          "\"payloadUrl\":\"web/prod\","
          "\"active\":true,\"format\":\"pulumi_deployments\"" NO_SECRET },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fixture f;

        open_fixture(&f, cases[i].level);
        if (apply(&f, cases[i].body, true) != OK)
            fail_msg("%s: %s", cases[i].body, buf_cstr(&f.why));
        assert_printed(&f, cases[i].printed);
        clear_fixture(&f);
    }
}

#define LACKS(rest) "{\"organizationName\":\"acme\"," rest "}"

static const struct {
    enum hook_level level;
    const char *body;
    const char *why; // a part of the reason
} refused[] = {
    { LEVEL_ORGANIZATION, "[]", "must be a JSON object" },
    { LEVEL_ORGANIZATION, "{}", "organizationName is required" },
    { LEVEL_ORGANIZATION, LACKS("\"payloadUrl\":\"http://a\",\"active\":true"),
      "displayName is required" },
    { LEVEL_ORGANIZATION, LACKS("\"displayName\":\"d\",\"active\":true"),
      "payloadUrl is required" },
    { LEVEL_ORGANIZATION,
      LACKS("\"displayName\":\"d\",\"payloadUrl\":\"http://a\""),
      "active is required" },
    { LEVEL_ORGANIZATION,
      "{\"organizationName\":\"other\",\"displayName\":\"d\","
      "\"payloadUrl\":\"http://a\",\"active\":true}",
      "Organization name from request body doesn't match URL." },
    { LEVEL_STACK, WITH("\"stackName\":\"dev\""),
      "Stack name from request body doesn't match URL" },
    { LEVEL_STACK, WITH("\"projectName\":\"other\""),
      "Project name from request body doesn't match URL" },
    { LEVEL_ENVIRONMENT, WITH("\"envName\":\"dev\""),
      "Environment name from request body doesn't match URL" },
    { LEVEL_ORGANIZATION, WITH("\"name\":\"a b\""), "name must be 1 to 32" },
    { LEVEL_ORGANIZATION,
      WITH("\"name\":\"123456789012345678901234567890123\""),
      "name must be 1 to 32" },
    { LEVEL_ORGANIZATION, WITH("\"handshake\":\"yes\""),
      "handshake must be true or false, not a string" },
    { LEVEL_ORGANIZATION, WITH("\"traceContext\":\"yes\""),
      "traceContext must be true or false, not a string" },
    { LEVEL_ORGANIZATION,
      WITH("\"traceContext\":true,\"headers\":{\"TraceParent\":\"x\"}"),
      "traceContext sets the header" },
    { LEVEL_ORGANIZATION, WITH("\"signingKey\":\"theirs\""),
      "signingKey must be \"none\", \"own\"" },
    { LEVEL_ORGANIZATION, WITH("\"signingKey\":7"), "signingKey must be" },
    { LEVEL_ORGANIZATION, WITH("\"signingKey\":\"whsk_AAAA\""),
      "signingKey: after whsk_ a key is standard base64 of 64 bytes" },
    { LEVEL_ORGANIZATION, WITH("\"name\":7"),
      "name must be a string, not a number" },
    { LEVEL_ORGANIZATION, WITH("\"secret\":\"__remove-secret\""),
      "secret cannot be __remove-secret" },
    { LEVEL_ORGANIZATION, WITH("\"secret\":\"a\\u0000b\""), "NUL" },
    { LEVEL_ORGANIZATION, WITH("\"format\":\"xml\""),
      "format must be one of: raw, slack, ms_teams, pulumi_deployments, "
      "cloudevents" },
    { LEVEL_ORGANIZATION, WITH("\"filters\":\"update_failed\""),
      "filters must be an array of strings, not a string" },
    { LEVEL_ORGANIZATION, WITH("\"filters\":[1]"),
      "filters must hold strings, not a number" },
    { LEVEL_ORGANIZATION, WITH("\"filters\":[\"update_faild\"]"),
      "did you mean update_failed?" },
    { LEVEL_ORGANIZATION, WITH("\"filters\":[\"order*.x\"]"), "not a kind" },
    { LEVEL_ORGANIZATION, WITH("\"filters\":[\"\"]"), "no filter" },
    { LEVEL_ORGANIZATION, WITH("\"groups\":[\"stack\"]"),
      "groups are: stacks, deployments" },
    { LEVEL_STACK, WITH("\"filters\":[\"stack_created\"]"),
      "stack_created is not possible on stack webhooks" },
    { LEVEL_STACK, WITH("\"groups\":[\"environments\"]"),
      "environments is not possible on stack webhooks" },
    { LEVEL_ENVIRONMENT, WITH("\"groups\":[\"stacks\"]"),
      "stacks is not possible on environment webhooks" },
    { LEVEL_ORGANIZATION, TO("", ""), "payloadUrl must not be empty" },
    { LEVEL_ORGANIZATION, TO("ftp://a/b", ""), "payloadUrl: " },
    { LEVEL_ORGANIZATION, TO("example.com", ""), "payloadUrl: " },
    { LEVEL_ORGANIZATION, TO("https://a", ",\"format\":\"slack\""),
      "payloadUrl: for the format slack it must start with one of: "
      "https://hooks.slack.com/" },
    { LEVEL_ORGANIZATION, TO("https://a", ",\"format\":\"akinon\""),
      "format must be one of: raw, slack, ms_teams, pulumi_deployments, "
      "cloudevents" },
    { LEVEL_ORGANIZATION, TO("web/prod", ",\"format\":\"pulumi_deployments\""),
      "'pulumi_deployments' format can only be used on stack or "
      "environment webhooks." },
    { LEVEL_STACK, TO("a/b/c", ",\"format\":\"pulumi_deployments\""),
      "of the form project/stack" },
    { LEVEL_STACK, TO("/b", ",\"format\":\"pulumi_deployments\""),
      "of the form project/stack" },
    { LEVEL_STACK, TO("a b/c", ",\"format\":\"pulumi_deployments\""),
      "of the form project/stack" },
};

static void create_is_refused_with_a_reason(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        struct fixture f;

        open_fixture(&f, refused[i].level);
        if (apply(&f, refused[i].body, true) != ERR_INVALID)
            fail_msg("accepted: %s", refused[i].body);
        if (strstr(buf_cstr(&f.why), refused[i].why) == NULL)
            fail_msg("%s: %s", refused[i].body, buf_cstr(&f.why));
        clear_fixture(&f);
    }
}

// `n` times `text`, as a member called `key` of an otherwise good body.
static enum err create_with_long(const char *key, const char *text, size_t n)
{
    struct fixture f;
    struct buf body;
    enum err err;

    buf_init(&body, 0);
    buf_puts(&body, "{\"organizationName\":\"acme\",\"active\":true,");
    if (strcmp(key, "displayName") != 0)
        buf_puts(&body, "\"displayName\":\"d\",");
    buf_printf(&body, "\"payloadUrl\":\"http://a/\",\"%s\":\"", key);
    for (size_t i = 0; i < n; i++)
        buf_puts(&body, text);
    buf_puts(&body, "\"}");
    open_fixture(&f, LEVEL_ORGANIZATION);
    err = apply(&f, buf_cstr(&body), true);
    clear_fixture(&f);
    buf_clear(&body);
    return err;
}

static void lengths_are_limited(void **state)
{
    (void)state;
    assert_int_equal(create_with_long("displayName", "\xc3\xa9", 255), OK);
    assert_int_equal(create_with_long("displayName", "\xc3\xa9", 256),
                     ERR_INVALID);
    assert_int_equal(create_with_long("displayName", "", 0), ERR_INVALID);
    assert_int_equal(create_with_long("secret", "s", 1024), OK);
    assert_int_equal(create_with_long("secret", "s", 1025), ERR_INVALID);
    assert_int_equal(create_with_long("name", "n", 32), OK);
    assert_int_equal(create_with_long("name", "n", 33), ERR_INVALID);
}

// --- update ---

#define OLD_LISTS \
    "\"filters\":[\"update_failed\",\"order.*\"],\"groups\":[\"stacks\"]"
#define OLD_PRINTED_LISTS \
    ",\"filters\":[\"update_failed\",\"order.*\"],\"groups\":[\"stacks\"]"
// HMAC-SHA-256 of eight NULs (the hook's number) and "old", key KEY
#define OLD_SECRET                              \
    ",\"hasSecret\":true,\"secretCiphertext\":" \
    "\"833efab662df224cf7a1aa2066739baff3a1f6a306000c8e7150597b245f46cf\"}"

static void merge_follows_the_rules_of_update(void **state)
{
    static const struct {
        const char *patch;
        const char *printed;
    } cases[] = {
        // absent keys of a partial body stay
        { "{}",
          HEAD URL "\"active\":true,\"format\":\"raw\"" OLD_PRINTED_LISTS },
        { "{\"active\":false,\"displayName\":\"d\"}",
          HEAD URL "\"active\":false,\"format\":\"raw\"" OLD_PRINTED_LISTS },
        // the whole state without lists empties them
        { "{\"active\":true,\"displayName\":\"d\",\"payloadUrl\":"
          "\"https://example.com/x\"}",
          HEAD URL "\"active\":true,\"format\":\"raw\"" },
        // the whole state with one list empties the other
        { "{\"active\":true,\"displayName\":\"d\",\"payloadUrl\":"
          "\"https://example.com/x\",\"groups\":[\"policies\"]}",
          HEAD URL "\"active\":true,\"format\":\"raw\","
                   "\"groups\":[\"policies\"]" },
        // a list that is given replaces the old one
        { "{\"filters\":[\"a.b\"]}",
          HEAD URL "\"active\":true,\"format\":\"raw\","
                   "\"filters\":[\"a.b\"],\"groups\":[\"stacks\"]" },
        { "{\"filters\":[]}", HEAD URL "\"active\":true,\"format\":\"raw\","
                                       "\"groups\":[\"stacks\"]" },
        { "{\"groups\":null}",
          HEAD URL "\"active\":true,\"format\":\"raw\","
                   "\"filters\":[\"update_failed\",\"order.*\"]" },
        // null and "" leave these as they are; so do keys that cannot change
        { "{\"active\":null,\"format\":null,\"secret\":null}",
          HEAD URL "\"active\":true,\"format\":\"raw\"" OLD_PRINTED_LISTS },
        { "{\"format\":\"\",\"secret\":\"\"}",
          HEAD URL "\"active\":true,\"format\":\"raw\"" OLD_PRINTED_LISTS },
        { "{\"name\":\"other\",\"organizationName\":\"other\","
          "\"hasSecret\":false,\"secretCiphertext\":\"\"}",
          HEAD URL "\"active\":true,\"format\":\"raw\"" OLD_PRINTED_LISTS },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *wanted = NULL;
        struct fixture f;

        open_fixture(&f, LEVEL_ORGANIZATION);
        assert_int_equal(apply(&f, WITH(OLD_LISTS ",\"secret\":\"old\""), true),
                         OK);
        if (apply(&f, cases[i].patch, false) != OK)
            fail_msg("%s: %s", cases[i].patch, buf_cstr(&f.why));
        assert_true(asprintf(&wanted, "%s%s", cases[i].printed, OLD_SECRET) >
                    0);
        assert_printed(&f, wanted);
        free(wanted);
        clear_fixture(&f);
    }
}

// An update with all members that Pulumi's provider knows does not end a pause.
static void a_pause_ends_only_when_somebody_says_so(void **state)
{
    static const char whole[] =
        "{\"active\":true,\"displayName\":\"d\",\"payloadUrl\":"
        "\"https://example.com/x\"}";
    struct fixture f;

    (void)state;
    open_fixture(&f, LEVEL_ORGANIZATION);
    assert_int_equal(apply(&f, WITH("\"paused\":true"), true), OK);
    assert_true(f.hook.paused);
    assert_int_equal(apply(&f, whole, false), OK);
    assert_true(f.hook.paused);
    assert_int_equal(apply(&f, "{\"active\":false}", false), OK);
    assert_int_equal(apply(&f, "{\"active\":true}", false), OK);
    assert_true(f.hook.paused);
    assert_int_equal(apply(&f, "{\"paused\":false}", false), OK);
    assert_false(f.hook.paused);
    assert_int_equal(apply(&f, "{\"paused\":true}", false), OK);
    assert_int_equal(apply(&f, "{\"paused\":null}", false), OK);
    assert_false(f.hook.paused);
    clear_fixture(&f);
}

static void merge_replaces_and_removes_secrets(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, LEVEL_ORGANIZATION);
    assert_int_equal(apply(&f, WITH("\"secret\":\"old\""), true), OK);
    assert_int_equal(apply(&f, "{\"secret\":\"new\"}", false), OK);
    assert_true(str_is(f.hook.secret, "new"));
    assert_int_equal(apply(&f, "{\"secret\":\"__remove-secret\"}", false), OK);
    assert_printed(&f, PLAIN);
    clear_fixture(&f);
}

static void merge_is_refused_with_a_reason(void **state)
{
    static const struct {
        const char *patch;
        const char *why;
    } cases[] = {
        { "7", "must be a JSON object" },
        { "{\"displayName\":\"\"}", "displayName must be 1 to 255" },
        { "{\"payloadUrl\":\"\"}", "payloadUrl must not be empty" },
        { "{\"payloadUrl\":\"gopher://a\"}", "payloadUrl: " },
        { "{\"active\":\"yes\"}",
          "active must be true or false, not a string" },
        { "{\"filters\":[\"nothing\"]}", "no filter" },
        { "{\"paused\":\"yes\"}",
          "paused must be true or false, not a string" },
        // a change of the format also checks the URL that the hook has
        { "{\"format\":\"slack\"}", "payloadUrl: " },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fixture f;

        open_fixture(&f, LEVEL_ORGANIZATION);
        assert_int_equal(apply(&f, "{" BASE "}", true), OK);
        if (apply(&f, cases[i].patch, false) != ERR_INVALID)
            fail_msg("accepted: %s", cases[i].patch);
        if (strstr(buf_cstr(&f.why), cases[i].why) == NULL)
            fail_msg("%s: %s", cases[i].patch, buf_cstr(&f.why));
        clear_fixture(&f);
    }
}

// --- headers of histories ---

static void headers_recorded_whole_are_masked_by_their_names(void **state)
{
    static const struct {
        const char *text, *masked;
    } cases[] = {
        { "", "" },
        { "Accept: */*\r\n", "Accept: */*\r\n" },
        { "authorization: Bearer abcdefghijk\r\nX-A: 1\r\n",
          "authorization: Bear********\r\nX-A: 1\r\n" },
        { "X-A: 1\r\nX-Api-Key: short\r\n",
          "X-A: 1\r\nX-Api-Key: ********\r\n" },
        { "X-Token: a:b: c", "X-Token: ********" },
        { "X-Token:", "X-Token:" },
        { "X-Token: ", "X-Token: ********" },
        { "token\r\n:\r\n\n", "token\r\n:\r\n\n" },
        { "webhook-signature: v1,abcdefghijklmnop\r\n",
          "webhook-signature: v1,abcdefghijklmnop\r\n" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf out;

        buf_init(&out, 0);
        headers_mask_text(str_of(cases[i].text), &out);
        assert_string_equal(buf_cstr(&out), cases[i].masked);
        buf_clear(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(create_is_printed_back),
        cmocka_unit_test(headers_recorded_whole_are_masked_by_their_names),
        cmocka_unit_test(create_is_refused_with_a_reason),
        cmocka_unit_test(lengths_are_limited),
        cmocka_unit_test(merge_follows_the_rules_of_update),
        cmocka_unit_test(a_pause_ends_only_when_somebody_says_so),
        cmocka_unit_test(merge_replaces_and_removes_secrets),
        cmocka_unit_test(merge_is_refused_with_a_reason),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
