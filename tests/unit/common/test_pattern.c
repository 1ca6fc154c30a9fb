// SPDX-License-Identifier: MIT
// test_pattern.c — what a pattern may say, what it is refused for, how much work it is,
// and what is said when it does not hold. Whether it holds as the language has it,
// test_pattern_answers.c compares.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/encoding/json.h"
#include "common/pattern/facts.h"
#include "common/pattern/paths.h"
#include "common/pattern/pattern.h"
#include "tests/support/unit.h"

static void assert_refused(struct str text, const char *why)
{
    struct pattern *p = NULL;
    struct buf said;

    buf_init(&said, 0);
    assert_int_equal(pattern_compile(text, &p, &said), ERR_INVALID);
    assert_null(p);
    assert_non_null(buf_cstr(&said));
    if (strstr(buf_cstr(&said), why) == NULL)
        fail_msg("%.*s: %s", STR_ARG(text), buf_cstr(&said));
    buf_clear(&said);
}

static void assert_compiled(struct str text)
{
    struct pattern *p = NULL;
    struct buf said;

    buf_init(&said, 0);
    if (pattern_compile(text, &p, &said) != OK)
        fail_msg("%.*s: %s", STR_ARG(text), buf_cstr(&said));
    assert_true(pattern_bytes(p) < (size_t)16 * PATTERN_MAX_BYTES);
    pattern_free(p);
    buf_clear(&said);
}

// Whether the pattern holds for an event of the kind order.created with this payload;
// if not, `why` (may be NULL) gets the reason.
static bool holds(const char *text, struct str payload, struct buf *why)
{
    struct facts *facts = facts_new();
    struct paths *paths = paths_new();
    struct pattern *p = NULL;
    struct json *json = NULL;
    bool is_held;

    assert_int_equal(pattern_compile(str_of(text), &p, NULL), OK);
    pattern_bind(p, paths);
    assert_int_equal(json_parse(payload, &json_no_limits, &json, NULL), OK);
    facts_begin(facts, paths);
    facts_add_str(facts, "kind", STR("order.created"));
    facts_add_json(facts, "payload", json_root(json));
    is_held = pattern_holds(p, facts);
    if (!is_held && why != NULL)
        pattern_explain(p, facts, why);
    json_free(json);
    pattern_unbind(p);
    pattern_free(p);
    paths_free(paths);
    facts_free(facts);
    return is_held;
}

static void put_times(struct buf *out, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf_puts(out, text);
}

static void what_is_wrong_is_named(void **state)
{
    static const struct {
        const char *text;
        const char *why;
    } rows[] = {
        { "{\"payload\":{\"total\":[{\"greater\":5}]}}",
          "payload.total: \"greater\" is no operator; allowed are exactly, "
          "prefix, suffix" },
        { "{\"payload\":{\"a\":{\"b\":5}}}",
          "payload.a.b: must be an object, or a list of what the field may "
          "be, not a number" },
        { "{\"state\":[\"x\"]}", "state: events have no such field; they have "
                                 "kind, organization, project" },
        { "{\"kind\":{\"x\":[\"y\"]}}", "kind.x: events have no such field" },
        { "{\"payload.a\":[1],\"payload\":{\"a\":[2]}}",
          "payload.a: the field is given twice" },
        { "{\"payload\":{\"a\":[1]},\"$or\":[{\"payload\":{\"a\":[2]}},{"
          "\"kind\":[\"x\"]}]}",
          "payload.a: the field is given twice" },
        { "{\"kind\":[\"x\"],\"kind\":[\"y\"]}",
          "key \"kind\" is given twice" },
        { "{\"payload\":{\"a\":[{\"numeric\":[\">\",5,\"<\",5]}]}}",
          "payload.a: numeric must be a list like" },
        { "{\"payload\":{\"a\":[{\"anything-but\":[1,\"x\"]}]}}",
          "payload.a: anything-but must be a string, a number" },
        { "{\"payload\":{\"a\":[{\"anything-but\":12345678901234567890}]}}",
          "12345678901234567890 is a number that would be rounded" },
        { "{\"$or\":[{\"kind\":[\"x\"]}]}",
          "$or must be a list of at least two" },
        { "{\"$or\":[{\"prefix\":[\"x\"]},{\"kind\":[\"y\"]}]}",
          "prefix is an operator, and no name of a field" },
        { "[]", "a pattern must be an object, not an array" },
        { "{\"kind\":[\"x\"]", "" },
        { "{}", "an object must not be empty" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_refused(str_of(rows[i].text), rows[i].why);
}

static void limits_are_exact(void **state)
{
    struct buf text;

    (void)state;
    buf_init(&text, 0);
    buf_puts(&text, "{\"payload\":[\"");
    put_times(&text, "x", PATTERN_MAX_BYTES - text.n_bytes - 3);
    buf_puts(&text, "\"]}");
    assert_int_equal(text.n_bytes, PATTERN_MAX_BYTES);
    assert_compiled(buf_str(&text));
    buf_putc(&text, ' ');
    assert_refused(buf_str(&text), "at most 4096 bytes");

    for (size_t n = PATTERN_MAX_LEAVES; n <= PATTERN_MAX_LEAVES + 1; n++) {
        buf_reset(&text);
        buf_puts(&text, "{\"payload\":[1,2,3");
        put_times(&text, ",{\"prefix\":\"x\"}", n - 1);
        buf_puts(&text, "]}");
        if (n == PATTERN_MAX_LEAVES) {
            assert_compiled(buf_str(&text));
        } else {
            assert_refused(buf_str(&text), "payload: a pattern must have at "
                                           "most 64 leaves");
        }
    }
    for (size_t n = PATTERN_MAX_DEPTH - 2; n <= PATTERN_MAX_DEPTH - 1; n++) {
        buf_reset(&text);
        buf_puts(&text, "{\"payload\":");
        put_times(&text, "{\"a\":", n);
        buf_puts(&text, "{\"b\":[1]}");
        put_times(&text, "}", n + 1);
        if (n == PATTERN_MAX_DEPTH - 2) {
            assert_compiled(buf_str(&text));
        } else {
            assert_refused(buf_str(&text), "nested at most 8 deep");
        }
    }
    assert_compiled(STR("{\"$or\":[{\"payload.a\":[1]},{\"payload.b\":[1]}],"
                        "\"payload\":{\"$or\":[{\"c\":[1]},{\"d\":[1]}]}}"));
    buf_reset(&text);
    buf_puts(&text, "{\"payload\":{\"x\":[1]");
    for (int c = 'a'; c < 'h'; c++)
        buf_printf(&text, ",\"%c\":{\"$or\":[{\"p\":[1]},{\"q\":[2]}]}", c);
    buf_puts(&text, "}}"); // 2^7 combinations
    assert_refused(buf_str(&text), "at most 64 combinations");
    buf_clear(&text);
}

// The densest patterns: what compiling makes of them stays in proportion.
static void memory_is_bounded(void **state)
{
    struct buf text;

    (void)state;
    buf_init(&text, 0);
    buf_puts(&text, "{\"payload\":[0");
    for (unsigned i = 1; text.n_bytes < PATTERN_MAX_BYTES - 10; i++)
        buf_printf(&text, ",%u", i);
    buf_puts(&text, "]}");
    assert_compiled(buf_str(&text));
    buf_reset(&text);
    buf_puts(&text, "{\"payload\":[{\"equals-ignore-case\":\"");
    put_times(&text, "x", PATTERN_MAX_BYTES - text.n_bytes - 5);
    buf_puts(&text, "\"}]}");
    assert_compiled(buf_str(&text));
    buf_clear(&text);
}

static void assert_why(const char *pattern, const char *payload,
                       const char *wanted)
{
    struct buf why;

    buf_init(&why, 0);
    assert_false(holds(pattern, str_of(payload), &why));
    assert_string_equal(buf_cstr(&why), wanted);
    buf_clear(&why);
}

static void the_leaf_that_failed_is_named(void **state)
{
    (void)state;
    assert_why("{\"kind\":[\"order.created\"],\"payload\":{\"total\":[{"
               "\"numeric\":[\">\",100]}]}}",
               "{\"total\":42}",
               "its pattern does not hold: payload.total is 42; it must be "
               "{\"numeric\":[\">\",100]}");
    assert_why("{\"payload\":{\"a\":[\"x\",5,{\"prefix\":\"y\"},{\"wildcard\":"
               "\"*z\\\\*\"}]}}",
               "{}",
               "its pattern does not hold: payload.a is missing; it must be "
               "\"x\",5 or {\"prefix\":\"y\"} or {\"wildcard\":\"*z\\\\*\"}");
    assert_why("{\"payload\":{\"a\":[{\"anything-but\":{\"suffix\":[\"x\","
               "\"y\"]}}]}}",
               "{\"a\":[\"x\",\"yy\"]}",
               "its pattern does not hold: payload.a is \"x\", \"yy\"; it must "
               "be {\"anything-but\":{\"suffix\":[\"x\",\"y\"]}}");
    assert_why("{\"payload\":{\"a\":[{\"cidr\":\"10.1.2.3/8\"},{\"suffix\":{"
               "\"equals-ignore-case\":\"\303\204b\"}},{\"exists\":false}]}}",
               "{\"a\":null}",
               "its pattern does not hold: payload.a is null; it must be "
               "{\"cidr\":\"10.0.0.0/8\"} or {\"suffix\":{\"equals-ignore-case"
               "\":\"\303\204b\"}} or {\"exists\":false}");
    assert_why("{\"payload\":{\"i\":{\"a\":[1],\"b\":[2]}}}",
               "{\"i\":[{\"a\":1},{\"b\":2}]}",
               "its pattern does not hold: payload.i.a, payload.i.b are as "
               "they must be, but not in the same element of an array");
    assert_why("{\"$or\":[{\"payload\":{\"a\":[1],\"b\":[1]}},{\"kind\":["
               "\"order.created\"],\"payload\":{\"c\":[true]}}]}",
               "{\"a\":2,\"b\":3,\"c\":false}",
               "its pattern does not hold: payload.c is false; it must be true "
               "(in the nearest of 2 combinations of $or)");
}

// Of a list that is longer than a pattern looks at, the first values count.
static void long_lists_are_cut(void **state)
{
    struct buf payload;
    struct buf why;

    (void)state;
    buf_init(&payload, 0);
    buf_init(&why, 0);
    buf_puts(&payload, "{\"a\":[0");
    for (unsigned i = 1; i < 2 * PATTERN_MAX_VALUES; i++)
        buf_printf(&payload, ",%u", i);
    buf_puts(&payload, "]}");
    assert_true(holds("{\"payload\":{\"a\":[1023]}}", buf_str(&payload), NULL));
    assert_false(
        holds("{\"payload\":{\"a\":[1024]}}", buf_str(&payload), &why));
    assert_non_null(strstr(buf_cstr(&why), "the first 1024 are compared"));
    buf_clear(&payload);
    buf_clear(&why);
}

// Patterns and payloads that would be slow if anything were compared pairwise; a test
// program that takes minutes is ended.
static void hostile_ones_are_quick(void **state)
{
    struct buf text;
    struct buf payload;

    (void)state;
    buf_init(&text, 0);
    buf_init(&payload, 0);
    buf_puts(&text, "{\"payload\":{\"w\":[{\"wildcard\":\"");
    put_times(&text, "*a", 1000);
    buf_puts(&text, "*b\"}]}}");
    buf_puts(&payload, "{\"w\":\"");
    put_times(&payload, "a", 4000000);
    buf_puts(&payload, "\"}");
    assert_false(holds(buf_cstr(&text), buf_str(&payload), NULL));

    buf_reset(&payload);
    put_times(&payload, "[", 1000);
    put_times(&payload, "1,", 100000);
    buf_putc(&payload, '1');
    put_times(&payload, "]", 1000);
    assert_false(holds("{\"payload\":[2]}", buf_str(&payload), NULL));

    buf_reset(&payload);
    buf_puts(&payload, "{\"a\":[{}");
    put_times(&payload, ",{\"x\":1},{\"y\":1}", 50000);
    buf_puts(&payload, "],\"b\":[{}");
    put_times(&payload, ",{\"x\":1},{\"y\":1}", 50000);
    buf_puts(&payload, "]}");
    assert_false(holds("{\"payload\":{\"a\":{\"x\":[1],\"y\":[1]},\"b\":{\"x\":"
                       "[1],\"y\":[1]}}}",
                       buf_str(&payload), NULL));
    buf_clear(&text);
    buf_clear(&payload);
}

// Paths are shared, and go when the last pattern that has them goes.
static void paths_are_shared(void **state)
{
    struct paths *paths = paths_new();
    struct pattern *a = NULL;
    struct pattern *b = NULL;

    (void)state;
    assert_int_equal(
        pattern_compile(STR("{\"payload\":{\"x\":[1],\"y.z\":[1]}}"), &a, NULL),
        OK);
    assert_int_equal(
        pattern_compile(STR("{\"payload\":{\"x\":[2]}}"), &b, NULL), OK);
    pattern_bind(a, paths);
    pattern_bind(b, paths);
    pattern_unbind(a);
    assert_false(paths_is_empty(paths));
    pattern_bind(a, paths);
    pattern_unbind(b);
    pattern_unbind(a);
    assert_true(paths_is_empty(paths));
    pattern_free(a);
    pattern_free(b);
    paths_free(paths);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(limits_are_exact),
        cmocka_unit_test(memory_is_bounded),
        cmocka_unit_test(the_leaf_that_failed_is_named),
        cmocka_unit_test(long_lists_are_cut),
        cmocka_unit_test(hostile_ones_are_quick),
        cmocka_unit_test(paths_are_shared),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
