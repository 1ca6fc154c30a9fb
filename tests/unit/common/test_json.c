// SPDX-License-Identifier: MIT
// test_json.c — strict JSON within limits, and compacting.

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/encoding/json.h"
#include "tests/support/unit.h"

static struct json *parse(const char *text)
{
    struct json *j = NULL;
    struct buf why;

    buf_init(&why, 0);
    if (json_parse(str_of(text), &json_default_limits, &j, &why) != OK)
        fail_msg("%s: %s", text, buf_cstr(&why));
    assert_int_equal(why.n_bytes, 0);
    buf_clear(&why);
    return j;
}

static void assert_refused(struct str text, const struct json_limits *limits,
                           const char *sentence)
{
    struct json *untouched = (struct json *)&untouched;
    struct json *j = untouched;
    struct buf why;

    buf_init(&why, 0);
    assert_int_equal(json_parse(text, limits, &j, &why), ERR_INVALID);
    assert_ptr_equal(j, untouched);
    assert_string_equal(buf_cstr(&why), sentence);
    buf_clear(&why);
    assert_int_equal(json_parse(text, limits, &j, NULL), ERR_INVALID);
}

static void json_accepts_what_the_rfc_allows(void **state)
{
    static const char *const texts[] = {
        "{}",
        "[]",
        "null",
        " true\r\n",
        "\t-0",
        "0",
        "1E400",
        "\"\"",
        "[1,[2,[3]]]",
        "{\"\":{\"\":0}}",
        "\"\\ud83c\\udf79\"",
        "\"\xf0\x9f\x8d\xb9\"",
        "\"\\u0000\"",
        "{\"a\":1,\"A\":2}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        json_free(parse(texts[i]));
    json_free(NULL);
}

// Where yyjson's versions report the fault at different bytes, the expected text is
// without its end.
static void json_refuses_what_the_rfc_does_not_allow(void **state)
{
    const struct {
        struct str text;
        const char *why;
    } cases[] = {
        { { "", 0 }, "not JSON: the text is empty" },
        { { "  ", 2 }, "not JSON: the text is empty" },
        { STR("{\"a\":1,\"b\":2,\"c\"x}"),
          "not JSON: unexpected character at byte 16" },
        { STR("{\"a\":1,}"), "not JSON: " },
        { STR("[1,]"), "not JSON: " },
        { STR("{a:1}"), "not JSON: unexpected character at byte 1" },
        { STR("{\"a\":1} x"), "not JSON: more text after the value at byte 8" },
        { STR("{} {}"), "not JSON: more text after the value at byte 3" },
        { STR("{\"a\":"), "not JSON: " },
        { STR("[1,2"), "not JSON: " },
        { STR("\"a"), "not JSON: " },
        { STR("01"), "not JSON: " },
        { STR("[+1]"), "not JSON: unexpected character at byte 1" },
        { STR("[1.]"), "not JSON: " },
        { STR("[.5]"), "not JSON: unexpected character at byte 1" },
        { STR("[0x10]"), "not JSON: unexpected character at byte 2" },
        { STR("NaN"), "not JSON: unexpected character at byte 0" },
        { STR("[Infinity]"), "not JSON: unexpected character at byte 1" },
        { STR("[nul]"), "not JSON: " },
        { STR("'a'"), "not JSON: unexpected character at byte 0" },
        { STR("[1] // c"), "not JSON: more text after the value at byte 4" },
        { STR("[/* */]"), "not JSON: unexpected character at byte 1" },
        { STR("\"\\x\""), "not JSON: " },
        { STR("\"\n\""), "not JSON: " },
        { STR("\"\\ud83c\""), "not JSON: " },
        { STR("\"\\udf79\""), "not JSON: " },
        { STR("\"\\ud83cx\""), "not JSON: " },
        { STR("\"\xff\""), "not JSON: " },
        { STR("\"\xc0\xaf\""), "not JSON: " },
        { STR("\"\xed\xa0\x80\""), "not JSON: " },
        { STR("\xef\xbb\xbf{}"), "not JSON: unexpected character at byte 0" },
        { { "{}\0", 3 }, "not JSON: more text after the value at byte 2" },
        { { "{\0}", 3 }, "not JSON: unexpected character at byte 1" },
        { { "\"\0\"", 3 }, "not JSON: " },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct json *j;
        struct buf why;

        buf_init(&why, 0);
        assert_int_equal(
            json_parse(cases[i].text, &json_default_limits, &j, &why),
            ERR_INVALID);
        if (!str_starts(buf_str(&why), str_of(cases[i].why)))
            fail_msg("%zu: %s", i, buf_cstr(&why));
        buf_clear(&why);
    }
}

static void json_refuses_a_key_that_is_given_twice(void **state)
{
    (void)state;
    assert_refused(STR("{\"a\":1,\"b\":{},\"a\":2}"), &json_default_limits,
                   "key \"a\" is given twice");
    assert_refused(STR("{\"a\":1,\"\\u0061\":2}"), &json_default_limits,
                   "key \"a\" is given twice");
    assert_refused(STR("[{\"x\":{\"\":1,\"\":2}}]"), &json_default_limits,
                   "key \"\" is given twice");
    assert_refused(STR("{\"\\u0000\":1,\"\\u0000\":2}"), &json_default_limits,
                   "key \"\\u0000\" is given twice");
}

// `n` keys k0…, and then `last`.
static void put_keys(struct buf *text, size_t n, const char *last)
{
    buf_putc(text, '{');
    for (size_t i = 0; i < n; i++)
        buf_printf(text, "\"k%zu\":0,", i);
    buf_printf(text, "\"%s\":0}", last);
}

static void json_finds_twins_among_few_and_many_keys(void **state)
{
    static const size_t counts[] = { 1, 15, 16, 17, 300, 999, 5000, 100000 };

    (void)state;
    for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
        struct buf text;

        buf_init(&text, 0);
        put_keys(&text, counts[i], "last");
        json_free(parse(buf_cstr(&text)));
        buf_reset(&text);
        put_keys(&text, counts[i], "\\u006b0");
        assert_refused(buf_str(&text), &json_default_limits,
                       "key \"k0\" is given twice");
        buf_clear(&text);
    }
}

static void json_limits_hold_at_the_edge(void **state)
{
    static const struct json_limits limits = { .max_depth = 3,
                                               .max_keys = 4,
                                               .max_string_bytes = 5 };
    static const char *const good[] = {
        "[[{}]]",
        "[{\"a\":0,\"b\":0},{\"c\":0,\"d\":0}]",
        "\"12345\"",
        "\"\\u0031\\u0032\\u0033\\u0034\\u0035\"",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        struct json *j;

        assert_int_equal(json_parse(str_of(good[i]), &limits, &j, NULL), OK);
        json_free(j);
    }
    assert_refused(STR("[[{\"a\":[]}]]"), &limits,
                   "nested deeper than 3 (max_json_depth)");
    assert_refused(STR("[[[[]]]]"), &limits,
                   "nested deeper than 3 (max_json_depth)");
    assert_refused(STR("[{\"a\":0,\"b\":0},{\"c\":0,\"d\":0,\"e\":0}]"),
                   &limits, "more than 4 keys (max_json_keys)");
    assert_refused(STR("[\"123456\"]"), &limits,
                   "a string is longer than 5 bytes (max_json_string_bytes)");
    assert_refused(STR("{\"123456\":0}"), &limits,
                   "a string is longer than 5 bytes (max_json_string_bytes)");
}

static void json_default_limits_are_of_depth_alone(void **state)
{
    struct buf text;

    (void)state;
    buf_init(&text, 0);
    put_keys(&text, 200000, "x");
    json_free(parse(buf_cstr(&text)));
    buf_reset(&text);
    buf_putc(&text, '"');
    for (size_t i = 0; i < 4000000; i++)
        buf_putc(&text, 'x');
    buf_putc(&text, '"');
    json_free(parse(buf_cstr(&text)));
    buf_reset(&text);
    for (size_t i = 0; i < 128; i++)
        buf_puts(&text, i % 2 == 0 ? "[" : "{\"a\":");
    buf_putc(&text, '1');
    for (size_t i = 0; i < 128; i++)
        buf_putc(&text, i % 2 == 0 ? '}' : ']');
    json_free(parse(buf_cstr(&text)));
    buf_clear(&text);
}

// Depth is counted at each place, also after several containers have ended together.
static void json_depth_is_that_of_each_place(void **state)
{
    static const struct json_limits limits = { .max_depth = 3 };
    struct json *j;

    (void)state;
    assert_int_equal(json_parse(STR("[[[],[]],[[1],[{}]],{\"a\":{\"b\":[]}}]"),
                                &(struct json_limits){ .max_depth = 4 }, &j,
                                NULL),
                     OK);
    json_free(j);
    assert_int_equal(
        json_parse(STR("[[[],[]],[[],[]],{\"a\":{}},[[]]]"), &limits, &j, NULL),
        OK);
    json_free(j);
    assert_refused(STR("[[[],[]],[[],[[]]]]"), &limits,
                   "nested deeper than 3 (max_json_depth)");
    assert_refused(STR("[1,[2],[[3]],[[[4]]]]"), &limits,
                   "nested deeper than 3 (max_json_depth)");
}

static void json_depth_of_a_million_costs_no_stack(void **state)
{
    size_t n = 1000000;
    char *text = xmalloc(2 * n);

    (void)state;
    memset(text, '[', n);
    memset(text + n, ']', n);
    assert_refused((struct str){ text, 2 * n }, &json_default_limits,
                   "nested deeper than 128 (max_json_depth)");
    assert_refused((struct str){ text, 2 * n }, &json_no_limits,
                   "nested deeper than 1024 (max_json_depth)");
    free(text);
}

static void json_reads_values_by_type(void **state)
{
    struct json *j = parse("{\"s\":\"x\\u0000y\",\"n\":12,\"t\":true,"
                           "\"f\":false,\"z\":null,\"a\":[1,2],\"o\":{}}");
    const struct json_value *root = json_root(j);
    static const struct {
        const char *key;
        enum json_type type;
        const char *name;
    } cases[] = {
        { "s", JSON_STRING, "a string" },  { "n", JSON_NUMBER, "a number" },
        { "t", JSON_BOOL, "a boolean" },   { "f", JSON_BOOL, "a boolean" },
        { "z", JSON_NULL, "null" },        { "a", JSON_ARRAY, "an array" },
        { "o", JSON_OBJECT, "an object" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const struct json_value *v = json_get(root, cases[i].key);

        assert_non_null(v);
        assert_int_equal(json_type(v), cases[i].type);
        assert_true(json_is(v, cases[i].type));
        assert_string_equal(json_type_name(v), cases[i].name);
    }
    assert_true(
        str_eq(json_str(json_get(root, "s")), (struct str){ "x\0y", 3 }));
    assert_int_equal(json_str(json_get(root, "n")).n_bytes, 0);
    assert_true(json_bool(json_get(root, "t")));
    assert_false(json_bool(json_get(root, "f")));
    assert_false(json_bool(json_get(root, "n")));
    assert_null(json_get(root, "absent"));
    assert_null(json_get(NULL, "s"));
    assert_null(json_get(json_get(root, "a"), "s"));
    assert_false(json_is(NULL, JSON_NULL));
    assert_int_equal(json_size(json_get(root, "a")), 2);
    assert_int_equal(json_size(json_get(root, "s")), 0);
    assert_int_equal(json_size(NULL), 0);
    json_free(j);
}

static void json_iterates_in_order(void **state)
{
    struct json *j =
        parse("{\"b\":[10,[],20],\"a\":{\"x\":{\"y\":1}},\"c\":3}");
    struct json_iter it = json_iter(json_root(j));
    const struct json_value *v;
    struct str key = STR_EMPTY;
    struct json_iter inner;
    int64_t n = 0;

    (void)state;
    v = json_next(&it, &key);
    assert_true(str_is(key, "b"));
    inner = json_iter(v);
    assert_int_equal(json_int(json_next(&inner, NULL), &n), OK);
    assert_int_equal(n, 10);
    assert_true(json_is(json_next(&inner, NULL), JSON_ARRAY));
    assert_int_equal(json_int(json_next(&inner, NULL), &n), OK);
    assert_int_equal(n, 20);
    assert_null(json_next(&inner, NULL));
    assert_null(json_next(&inner, NULL));
    v = json_next(&it, &key);
    assert_true(str_is(key, "a"));
    assert_int_equal(json_size(v), 1);
    v = json_next(&it, NULL);
    assert_int_equal(json_int(v, &n), OK);
    assert_int_equal(n, 3);
    assert_null(json_next(&it, &key));
    inner = json_iter(v); // a number has no members
    assert_null(json_next(&inner, NULL));
    inner = json_iter(NULL);
    assert_null(json_next(&inner, NULL));
    json_free(j);
}

static void json_int_takes_the_whole_range_and_nothing_else(void **state)
{
    static const struct {
        const char *text;
        bool is_int;
        int64_t number;
    } cases[] = {
        { "0", true, 0 },
        { "-0", true, 0 },
        { "42", true, 42 },
        { "9223372036854775807", true, INT64_MAX },
        { "-9223372036854775808", true, INT64_MIN },
        { "9223372036854775808", false, 0 },
        { "-9223372036854775809", false, 0 },
        { "18446744073709551616", false, 0 },
        { "99999999999999999999999999", false, 0 },
        { "1.0", false, 0 },
        { "1e3", false, 0 },
        { "1e999", false, 0 },
        { "\"1\"", false, 0 },
        { "true", false, 0 },
        { "null", false, 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct json *j = parse(cases[i].text);
        int64_t number = 7;

        assert_int_equal(json_int(json_root(j), &number),
                         cases[i].is_int ? OK : ERR_INVALID);
        assert_true(number == (cases[i].is_int ? cases[i].number : 7));
        json_free(j);
    }
    assert_int_equal(json_int(NULL, &(int64_t){ 0 }), ERR_INVALID);
}

// --- compacting ---

static void assert_compact(const char *text, const char *key,
                           const char *compact)
{
    struct buf out;

    json_free(parse(text)); // it must be JSON
    buf_init(&out, 0);
    buf_puts(&out, ">");
    assert_int_equal(json_compact_member(str_of(text), key, &out),
                     compact != NULL ? OK : ERR_NOTFOUND);
    assert_string_equal(buf_cstr(&out) + 1, compact != NULL ? compact : "");
    buf_clear(&out);
}

static void compact_member_keeps_all_but_white_space(void **state)
{
    static const struct {
        const char *text;
        const char *key;
        const char *compact;
    } cases[] = {
        { "{\"p\":{\"b\":1,\"a\":[2]}}", "p", "{\"b\":1,\"a\":[2]}" },
        { " { \"p\" : { \"b\" :\t1 ,\r\n \"a\" : [ 2 , { } ] } } ", "p",
          "{\"b\":1,\"a\":[2,{}]}" },
        { "{\"p\": \" a  b \\\" } , \\\\\" , \"q\":0}", "p",
          "\" a  b \\\" } , \\\\\"" },
        { "{\"x\":{\"p\":1},\"y\":[\"p\",{\"p\":2}],\"p\": 3 }", "p", "3" },
        { "{\"q\":\"\\\\\\\"\",\"p\":[\"\\\\\"]}", "p", "[\"\\\\\"]" },
        { "{\"a\":\"p\",\"p\":true}", "p", "true" },
        { "{\"\\u0070\" : null}", "p", "null" },
        { "{\"p\":[1e999,-0,1.50,1E+2,\"\\u00e9\\/\xf0\x9f\x8d\xb9\"]}", "p",
          "[1e999,-0,1.50,1E+2,\"\\u00e9\\/\xf0\x9f\x8d\xb9\"]" },
        { "{\"p\":  \"\"}", "p", "\"\"" },
        { "{\"pp\":1,\"\":2}", "p", NULL },
        { "{\"pp\":1,\"\":2}", "", "2" },
        { "{}", "p", NULL },
        { " { } ", "p", NULL },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        assert_compact(cases[i].text, cases[i].key, cases[i].compact);
}

static void numbers_of_400_digits_pass_unchanged(void **state)
{
    struct buf text;
    struct buf out;

    (void)state;
    buf_init(&text, 0);
    buf_init(&out, 0);
    buf_puts(&text, "{\"p\":");
    for (size_t i = 0; i < 400; i++)
        buf_putc(&text, (char)('1' + i % 9));
    buf_puts(&text, "}");
    json_free(parse(buf_cstr(&text)));
    assert_int_equal(json_compact_member(buf_str(&text), "p", &out), OK);
    assert_int_equal(out.n_bytes, 400);
    assert_memory_equal(out.at, text.at + 5, 400);
    buf_clear(&out);
    buf_clear(&text);
}

static void compact_member_says_when_the_cap_is_passed(void **state)
{
    struct buf out;

    (void)state;
    buf_init(&out, 7);
    assert_int_equal(json_compact_member(STR("{\"p\":[ 1, 2,3 ]}"), "p", &out),
                     OK);
    buf_clear(&out);
    assert_int_equal(json_compact_member(STR("{\"p\":[ 1, 2,34 ]}"), "p", &out),
                     ERR_TOOBIG);
    buf_clear(&out);
}

// compact_member() is never given text that is not JSON; even then it must not read
// past the end.
static void compact_member_stops_at_the_end_of_any_text(void **state)
{
    static const char whole[] =
        "{\"a\":{\"x\":[1,\"\\\\\\\"\"]},\"\\u0070\": [ \"q\" , 1 ] }";

    (void)state;
    for (size_t n = 0; n < sizeof(whole); n++) {
        char *exact = xmalloc(n); // the sanitizer watches its end
        struct buf out;

        memcpy(exact, whole, n);
        buf_init(&out, 0);
        if (json_compact_member((struct str){ exact, n }, "p", &out) == OK)
            assert_true(out.n_bytes <= n);
        buf_clear(&out);
        free(exact);
    }
}

// Every truncated text and every text with a changed byte is accepted or refused,
// without a crash, and an accepted text is compacted to an accepted text.
static void damaged_texts_are_refused_or_read(void **state)
{
    static const char whole[] = "{\"payload\":{\"a\":[1,-2.5e3,true,null],\"b\""
                                ":\"\\u00e9\xc3\xa9\\n\"},\"k\":\"v\"}";
    size_t n_read = 0;

    (void)state;
    for (size_t i = 0; i + 1 < sizeof(whole); i++) {
        for (unsigned c = 0; c < 256; c++) {
            char text[sizeof(whole)];
            struct json *j;
            struct buf out;

            memcpy(text, whole, sizeof(whole));
            text[i] = (char)c;
            if (json_parse((struct str){ text, sizeof(whole) - 1 },
                           &json_default_limits, &j, NULL) != OK)
                continue;
            json_free(j);
            buf_init(&out, 0);
            if (json_compact_member((struct str){ text, sizeof(whole) - 1 },
                                    "payload", &out) == OK) {
                assert_int_equal(
                    json_parse(buf_str(&out), &json_default_limits, &j, NULL),
                    OK);
                json_free(j);
                n_read++;
            }
            buf_clear(&out);
        }
    }
    assert_true(n_read > 100); // the test is not empty
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_accepts_what_the_rfc_allows),
        cmocka_unit_test(json_refuses_what_the_rfc_does_not_allow),
        cmocka_unit_test(json_refuses_a_key_that_is_given_twice),
        cmocka_unit_test(json_finds_twins_among_few_and_many_keys),
        cmocka_unit_test(json_limits_hold_at_the_edge),
        cmocka_unit_test(json_default_limits_are_of_depth_alone),
        cmocka_unit_test(json_depth_is_that_of_each_place),
        cmocka_unit_test(json_depth_of_a_million_costs_no_stack),
        cmocka_unit_test(json_reads_values_by_type),
        cmocka_unit_test(json_iterates_in_order),
        cmocka_unit_test(json_int_takes_the_whole_range_and_nothing_else),
        cmocka_unit_test(compact_member_keeps_all_but_white_space),
        cmocka_unit_test(numbers_of_400_digits_pass_unchanged),
        cmocka_unit_test(compact_member_says_when_the_cap_is_passed),
        cmocka_unit_test(compact_member_stops_at_the_end_of_any_text),
        cmocka_unit_test(damaged_texts_are_refused_or_read),
    };

    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
