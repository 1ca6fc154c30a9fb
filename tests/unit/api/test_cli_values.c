// SPDX-License-Identifier: MIT
// test_cli_values.c — what the commands read from their arguments and from files, and how
// they show an object.

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "api/cli/core/facts.h"
#include "api/cli/core/scope_options.h"
#include "api/cli/core/when.h"
#include "tests/support/unit.h"

// --- times ---

#define NOW INT64_C(1763979300) // 2025-11-24 10:15:00
#define DAY INT64_C(86400)

static void times_are_read_as_people_write_them(void **state)
{
    static const struct {
        const char *text;
        int64_t at_s;
    } cases[] = {
        { "now", NOW },
        { "NOW", NOW },
        { "today", NOW - 36900 },
        { "yesterday", NOW - 36900 - DAY },
        { "90s", NOW - 90 },
        { "5m", NOW - 300 },
        { "24h", NOW - DAY },
        { "0d", NOW },
        { "7d", NOW - 7 * DAY },
        { "2w", NOW - 14 * DAY },
        { "2025-11-24", NOW - 36900 },
        { "2025-11-24 10:15", NOW },
        { "2025-11-24 10:15:30", NOW + 30 },
        { "2025-11-24T10:15:00Z", NOW },
        { "2025-11-24T11:15:00+01:00", NOW },
        { "1763979300", NOW },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t at_s = -1;

        if (!when_read(cases[i].text, NOW, &at_s) || at_s != cases[i].at_s)
            fail_msg("%s: %lld", cases[i].text, (long long)at_s);
    }
}

static void what_is_no_time_is_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "h",
        "5",
        "-5m",
        "5x",
        "5mm",
        "5 m",
        "1234567890d",
        "99999w",
        "noww",
        "2025-13-01",
        "2025-02-30",
        "2025-11-24 ",
        "20251124x",
        "2025-11-24 25:00",
        "tomorrow",
    };
    int64_t at_s;

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        // A bare number is a time in Unix seconds.
        bool is_number = strcmp(texts[i], "5") == 0;

        if (when_read(texts[i], NOW, &at_s) != is_number)
            fail_msg("%s", texts[i]);
    }
    assert_false(when_read("2w", 100, &at_s)); // before 1970
}

// --- paths of hooks, as an export has them ---

static void only_paths_of_hooks_are_imported(void **state)
{
    static const struct {
        const char *path;
        bool is_good;
    } cases[] = {
        { "/api/orgs/acme/hooks", true },
        { "/api/stacks/acme/shop/prod/hooks", true },
        { "/api/esc/environments/acme/shop/prod/hooks", true },
        { "/organizations/0123456789abcdef01234567/projects/"
          "0123456789abcdef01234567/settings/webhooks",
          true },
        { "/api/orgs/a%20b/hooks", true },
        { "", false },
        { "/api/orgs/acme/hooks/", false },
        { "/api/orgs/acme/hooks/x", false },
        { "/api/orgs/acme", false },
        { "api/orgs/acme/hooks", false },
        { "/api/orgs//hooks", false },
        { "/api/orgs/./hooks", false },
        { "/api/orgs/../hooks", false },
        { "/api/orgs/%2e%2e/hooks", false },
        { "/api/orgs/a%2fb/hooks", false },
        { "/api/orgs/a%00b/hooks", false },
        { "/api/orgs/a%2/hooks", false },
        { "/api/orgs/a?b/hooks", false },
        { "/api/orgs/a#b/hooks", false },
        { "/api/orgs/a b/hooks", false },
        { "/api/stacks/acme/shop/hooks", false },
        { "/api/tokens", false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (scope_is_hooks_path(str_of(cases[i].path)) != cases[i].is_good)
            fail_msg("%s", cases[i].path);
        assert_false(scope_is_keys_path(str_of(cases[i].path)));
    }
    assert_true(scope_is_keys_path(STR("/api/orgs/acme/signing-keys")));
    assert_true(scope_is_keys_path(STR("/organizations/a%20b/signing-keys")));
    assert_false(scope_is_keys_path(STR("/api/orgs/../signing-keys")));
    assert_false(scope_is_keys_path(STR("/api/orgs/acme/signing-keys/x")));
}

// --- an object as a table ---

// What facts_print() writes for this object.
static void print(const char *text, char *out, size_t room)
{
    struct json *j = NULL;
    FILE *file = tmpfile();
    int kept = dup(STDOUT_FILENO);

    assert_non_null(file);
    assert_int_equal(json_parse(str_of(text), &json_default_limits, &j, NULL),
                     OK);
    fflush(stdout);
    assert_true(dup2(fileno(file), STDOUT_FILENO) >= 0);
    facts_print(json_root(j));
    fflush(stdout);
    dup2(kept, STDOUT_FILENO);
    close(kept);
    rewind(file);
    out[fread(out, 1, room - 1, file)] = '\0';
    fclose(file);
    json_free(j);
}

// Whether a line begins with `name` and ends with `value`, with only spaces between.
static bool has_row(const char *table, const char *name, const char *value)
{
    const char *at = table;

    while ((at = strstr(at, name)) != NULL) {
        const char *rest = at + strlen(name);

        if (at == table || at[-1] == '\n') {
            rest += strspn(rest, " ");
            if (strncmp(rest, value, strlen(value)) == 0 &&
                strspn(rest + strlen(value), " \n") > 0)
                return true;
        }
        at++;
    }
    return false;
}

static void an_object_is_shown_as_names_and_values(void **state)
{
    char out[4096];

    (void)state;
    print("{\"payloadUrl\":\"http://x/\",\"active\":true,\"paused\":false,"
          "\"createdAt\":\"2025-11-24T10:15:30.5Z\",\"name\":\"2025-11-24T10:"
          "15:30.5Z\","
          "\"startedAt\":1763979300000,\"queueBytes\":1536,\"fillPercent\":45,"
          "\"n\":-5,\"x\":1.5,\"kinds\":[\"a.b\",\"c.d\",7],"
          "\"secretCiphertext\":\"abc\",\"nothing\":null,\"empty\":\"\","
          "\"retry\":{\"maxWait\":5,\"inner\":{\"deep\":\"yes\"}},"
          "\"headers\":{\"X-Api-Key\":\"***\"}}",
          out, sizeof(out));
    assert_true(has_row(out, "payload url", "http://x/"));
    assert_true(has_row(out, "active", "yes"));
    assert_true(has_row(out, "paused", "no"));
    assert_true(has_row(out, "created at", "2025-11-24 10:15:30"));
    assert_true(has_row(out, "name", "2025-11-24T10:15:30.5Z"));
    assert_true(has_row(out, "started at", "2025-11-24 10:15:00"));
    assert_true(has_row(out, "queue bytes", "1.5 KiB"));
    assert_true(has_row(out, "fill percent", "45 %"));
    assert_true(has_row(out, "n ", "-5"));
    assert_true(has_row(out, "x ", "1.5"));
    assert_true(has_row(out, "kinds", "a.b, c.d, 7"));
    assert_true(has_row(out, "retry max wait", "5"));
    assert_true(has_row(out, "retry inner deep", "yes"));
    assert_true(has_row(out, "headers X-Api-Key", "***")); // unchanged
    assert_null(strstr(out, "abc"));
    assert_null(strstr(out, "nothing"));
    assert_null(strstr(out, "empty"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_read_as_people_write_them),
        cmocka_unit_test(what_is_no_time_is_refused),
        cmocka_unit_test(only_paths_of_hooks_are_imported),
        cmocka_unit_test(an_object_is_shown_as_names_and_values),
    };

    return cmocka_run_group_tests_name("cli_values", tests, NULL, NULL);
}
