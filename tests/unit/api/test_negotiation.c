// SPDX-License-Identifier: MIT
// test_negotiation.c — headers with which a client says what it takes, and what it has.

#include "api/dashboard/negotiation.h"
#include "tests/support/unit.h"

struct sample {
    const char *header;
    bool is_so;
};

static void check(const struct sample *samples, size_t n,
                  bool (*judge)(struct str))
{
    for (size_t i = 0; i < n; i++) {
        if (judge(str_of(samples[i].header)) != samples[i].is_so)
            fail_msg("%s: not %d", samples[i].header, samples[i].is_so);
    }
}

static void gzip_is_taken_by_whom_says_so(void **state)
{
    static const struct sample samples[] = {
        { "", false },
        { "gzip", true },
        { "GZip", true },
        { "deflate, gzip;q=1.0, *;q=0.5", true },
        { " br ,\tgzip ; q=0.001 ", true },
        { "gzip;q=0", false },
        { "gzip; Q=0.000", false },
        { "gzip;q=0, *", false },
        { "*", true },
        { "*;q=0", false },
        { "br, *;q=0.1", true },
        { "x-gzip", true },
        { "identity", false },
        { "gzipped", false },
        { "gzip;level=0;q=0", false },
        { ",,;,=;q=0,", false },
        { "gzip;q=", true },
    };

    (void)state;
    check(samples, sizeof(samples) / sizeof(samples[0]),
          negotiation_takes_gzip);
}

static void a_page_is_asked_for_by_its_type(void **state)
{
    static const struct sample samples[] = {
        { "", false },
        { "*/*", false },
        { "text/*", false },
        { "application/json", false },
        { "text/html", true },
        { "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8", true },
        { "application/json, text/html;q=0.1", true },
        { "text/html;q=0", false },
    };

    (void)state;
    check(samples, sizeof(samples) / sizeof(samples[0]), negotiation_asks_html);
}

static bool has_abc(struct str header)
{
    return negotiation_has(header, STR("abc"));
}

static void tags_are_found_in_lists(void **state)
{
    static const struct sample samples[] = {
        { "", false },
        { "*", true },
        { " * ", true },
        { "\"abc\"", true },
        { "W/\"abc\"", true },
        { "\"x\", W/\"y,z\" ,\"abc\"", true },
        { "abc", false },
        { "\"abc", false },
        { "\"abcd\", \"ab\"", false },
        { "\"x\"abc\"y\"", false },
        { "\"", false },
        { "\"abc-gz\"", false },
    };

    (void)state;
    check(samples, sizeof(samples) / sizeof(samples[0]), has_abc);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(gzip_is_taken_by_whom_says_so),
        cmocka_unit_test(a_page_is_asked_for_by_its_type),
        cmocka_unit_test(tags_are_found_in_lists),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
