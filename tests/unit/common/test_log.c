// SPDX-License-Identifier: MIT
// test_log.c — lines of the log as JSON.

#include <stdio.h>
#include <string.h>

#include "common/base/utf8.h"
#include "common/encoding/json.h"
#include "common/log/log.h"
#include "common/log/log_json.h"
#include "queue/catalog/hook_label.h"
#include "queue/queue.h"
#include "tests/support/unit.h"

#define ROOM 4096

static struct log_line line_of(const char *fields)
{
    return (struct log_line){ .time = "2026-11-20T10:15:30.123Z",
                              .level = "info",
                              .role = "sender.1",
                              .pid = 12,
                              .msg = "it happened",
                              .fields = str_of(fields) };
}

static void assert_line(const char *fields, const char *members)
{
    struct log_line line = line_of(fields);
    char out[ROOM + 1], wanted[ROOM];
    size_t n = log_json(&line, out, ROOM);

    out[n] = '\0';
    snprintf(wanted, sizeof(wanted),
             "{\"time\":\"2026-11-20T10:15:30.123Z\",\"level\":\"info\","
             "\"role\":\"sender.1\",\"pid\":12,\"message\":\"it happened\"%s}",
             members);
    assert_string_equal(out, wanted);
}

static void fields_become_members(void **state)
{
    (void)state;
    assert_line("", "");
    assert_line("n=5", ",\"n\":5");
    assert_line("a=-7 b=007 c=yes d=true e=1.5 f=",
                ",\"a\":-7,\"b\":\"007\",\"c\":\"yes\",\"d\":true,\"e\":"
                "\"1.5\",\"f\":\"\"");
    assert_line("big=12345678901234567890",
                ",\"big\":\"12345678901234567890\"");
    assert_line("hook=\"acme/a b\" n=1", ",\"hook\":\"acme/a b\",\"n\":1");
    // A field with the name of a fixed member becomes another member.
    assert_line("role=api pid=3 message=x",
                ",\"of_role\":\"api\",\"of_pid\":3,\"of_message\":\"x\"");
}

static void what_was_quoted_is_as_it_was(void **state)
{
    static const char text[] =
        "a\"b\\c\n\x1b[31m \xc3\xa9 \xf0\x9f\x8d\xb9 \xff"
        " \xc2\x9b \xe2\x80\xae = x=1";
    char fields[1024];

    (void)state;
    snprintf(fields, sizeof(fields), "v=%s n=2", log_quote(str_of(text)));
    assert_line(fields, ",\"v\":\"a\\\"b\\\\c\\u000a\\u001b[31m \\u00e9 "
                        "\\ud83c\\udf79 \\ufffd \\u009b \\u202e = x=1\","
                        "\"n\":2");
}

// A random generator of this test, so that a failure can be repeated with its seed.
static uint64_t next_random(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + 1442695040888963407U;
    return *seed >> 33;
}

// Every line is JSON, whatever the fields are, even such as log.h never makes, and
// however little room there is.
static void every_line_is_json(void **state)
{
    static const char bytes[] = "a=\"\\x1 \n\x80\xc3\xe2\xf0z=\"";
    uint64_t seed = 20261126;

    (void)state;
    for (unsigned round = 0; round < 20000; round++) {
        char fields[1200], out[1024];
        size_t n_fields = next_random(&seed) % sizeof(fields);
        size_t room = LOG_JSON_MIN_BYTES + next_random(&seed) % 512;
        struct log_line line = line_of("");
        struct json *json;
        struct buf why;
        size_t n;

        for (size_t i = 0; i < n_fields; i++)
            fields[i] = bytes[next_random(&seed) % (sizeof(bytes) - 1)];
        line.fields = (struct str){ fields, n_fields };
        n = log_json(&line, out, room);
        assert_true(n <= room);
        assert_true(utf8_is_valid(out, n));
        assert_null(memchr(out, '\n', n));
        buf_init(&why, 0);
        // Names that appear twice come from fields that log.h never makes.
        if (json_parse((struct str){ out, n }, &json_default_limits, &json,
                       &why) != OK) {
            fail_msg("seed 20261126 round %u: %s: %.*s", round, buf_cstr(&why),
                     (int)n, out);
        }
        json_free(json);
        buf_clear(&why);
    }
}

static void a_long_value_is_cut_and_closed(void **state)
{
    char fields[2000] = "first=1 v=\"";
    struct log_line line = line_of("");
    char out[LOG_JSON_MIN_BYTES];
    struct json *json;
    size_t n;

    (void)state;
    memset(fields + 11, 'x', sizeof(fields) - 11);
    line.fields = (struct str){ fields, sizeof(fields) };
    n = log_json(&line, out, sizeof(out));
    assert_int_equal(n, sizeof(out));
    assert_int_equal(
        json_parse((struct str){ out, n }, &json_default_limits, &json, NULL),
        OK);
    assert_true(str_is(json_number(json_get(json_root(json), "first")), "1"));
    assert_true(json_str(json_get(json_root(json), "v")).n_bytes > 300);
    json_free(json);
}

// --- hooks ---

static void hooks_are_called_as_users_know_them(void **state)
{
    static const struct {
        struct hook_scope scope;
        const char *label;
    } cases[] = {
        { { .level = LEVEL_ORGANIZATION, .org = { "acme", 4 } },
          "hook=\"acme/orders\" of=organization hook_no=7" },
        { { .level = LEVEL_STACK,
            .org = { "acme", 4 },
            .project = { "web", 3 },
            .target = { "prod", 4 } },
          "hook=\"acme/web/prod/orders\" of=stack hook_no=7" },
        { { .level = LEVEL_ENVIRONMENT,
            .org = { "acme", 4 },
            .project = { "web", 3 },
            .target = { "dev", 3 } },
          "hook=\"acme/web/dev/orders\" of=environment hook_no=7" },
        { { .level = LEVEL_PROJECT,
            .org = { "63", 2 },
            .project = { "64", 2 } },
          "hook=\"63/64/orders\" of=project hook_no=7" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct hook hook = { .no = 7,
                                   .scope = cases[i].scope,
                                   .name = STR("orders") };

        assert_string_equal(hook_log(&hook), cases[i].label);
    }
    assert_string_equal(hook_log_no(9), "hook=\"(unknown)\" hook_no=9");
}

static void the_longest_names_have_room(void **state)
{
    char name[100];
    const struct str all = { name, sizeof(name) };
    const struct hook hook = { .no = UINT64_MAX,
                               .scope = { .level = LEVEL_STACK,
                                          .org = all,
                                          .project = all,
                                          .target = all },
                               .name = { name, 32 } };

    (void)state;
    memset(name, 'n', sizeof(name));
    assert_int_equal(strlen(hook_log(&hook)),
                     3 * 100 + 32 + 3 +
                         strlen("hook=\"\" of=stack hook_no="
                                "18446744073709551615"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_become_members),
        cmocka_unit_test(what_was_quoted_is_as_it_was),
        cmocka_unit_test(every_line_is_json),
        cmocka_unit_test(a_long_value_is_cut_and_closed),
        cmocka_unit_test(hooks_are_called_as_users_know_them),
        cmocka_unit_test(the_longest_names_have_room),
    };

    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
