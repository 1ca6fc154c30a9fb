// SPDX-License-Identifier: MIT
// test_pattern_answers.c — patterns hold for the events for which the published reference
// implementation says so: tests/patterns/answers.json, which tests/patterns/make wrote.
//
// The report on stdout lists patterns of the reference that are beyond posthorn's limits,
// and where posthorn means to differ.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/encoding/json.h"
#include "common/pattern/facts.h"
#include "common/pattern/paths.h"
#include "common/pattern/pattern.h"
#include "tests/support/unit.h"

#define ANSWERS "tests/patterns/answers.json"

static struct json *answers;
static struct facts *facts;
static size_t n_compared;
static size_t n_wrong;
static size_t n_beyond;

// Another file, of which `make --many` writes as much as is wanted, may be named.
static void read_file(struct buf *text)
{
    const char *name = getenv("POSTHORN_PATTERN_ANSWERS");
    FILE *file = fopen(name != NULL ? name : ANSWERS, "r");
    size_t n;

    assert_non_null(file);
    do {
        n = fread(buf_reserve(text, 65536), 1, 65536, file);
        buf_added(text, n);
    } while (n > 0);
    (void)fclose(file);
}

static int setup(void **state)
{
    struct buf text;

    (void)state;
    buf_init(&text, 0);
    read_file(&text);
    assert_int_equal(
        json_parse(buf_str(&text), &json_no_limits, &answers, NULL), OK);
    buf_clear(&text);
    facts = facts_new();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    json_free(answers);
    facts_free(facts);
    return 0;
}

// The reference's patterns are about the payload.
static enum err compile(struct str text, struct pattern **out, struct buf *why)
{
    struct buf wrapped;
    enum err err;

    buf_init(&wrapped, 0);
    buf_puts(&wrapped, "{\"payload\":");
    buf_put_str(&wrapped, text);
    buf_putc(&wrapped, '}');
    err = pattern_compile(buf_str(&wrapped), out, why);
    buf_clear(&wrapped);
    return err;
}

static bool holds(const struct pattern *p, const struct paths *paths,
                  struct str event)
{
    struct json *json;
    struct buf why;
    bool is_held;

    assert_int_equal(json_parse(event, &json_default_limits, &json, NULL), OK);
    facts_begin(facts, paths);
    facts_add_json(facts, "payload", json_root(json));
    is_held = pattern_holds(p, facts);
    if (!is_held) {
        buf_init(&why, 0);
        pattern_explain(p, facts, &why);
        assert_true(why.n_bytes > 0);
        buf_clear(&why);
    }
    json_free(json);
    return is_held;
}

static void differs(struct str pattern, const char *how, struct str what)
{
    printf("WRONG: %.*s %s %.*s\n", STR_ARG(pattern), how, STR_ARG(what));
    n_wrong++;
}

static bool is_beyond_limit(struct str why)
{
    return why.n_bytes > 0 && memmem(why.at, why.n_bytes, "at most", 7) != NULL;
}

// Whether the answer for each event, or 'x', is the wanted one.
static void compare(struct str pattern, const struct json_value *events,
                    struct str wanted)
{
    struct json_iter it = json_iter(events);
    const struct json_value *event;
    struct pattern *p = NULL;
    struct paths *paths = paths_new();
    struct buf why;

    buf_init(&why, 0);
    if (compile(pattern, &p, &why) != OK) {
        if (is_beyond_limit(buf_str(&why))) {
            pattern.n_bytes = pattern.n_bytes < 60 ? pattern.n_bytes : 60;
            printf("beyond a limit: %.*s (%.*s)\n", STR_ARG(pattern),
                   STR_ARG(buf_str(&why)));
            n_beyond++;
        } else if (!str_is(wanted, "x")) {
            differs(pattern, "is a pattern, but", buf_str(&why));
        }
        assert_true(why.n_bytes > 0);
    } else {
        if (str_is(wanted, "x"))
            differs(pattern, "is no pattern", STR_EMPTY);
        pattern_bind(p, paths);
        for (size_t i = 0;
             (event = json_next(&it, NULL)) != NULL && i < wanted.n_bytes;
             i++) {
            bool is_held = holds(p, paths, json_str(event));

            if (is_held != (wanted.at[i] == '1')) {
                differs(pattern, is_held ? "holds for" : "does not hold for",
                        json_str(event));
            }
            n_compared++;
        }
        pattern_unbind(p);
        assert_true(paths_is_empty(paths));
        pattern_free(p);
    }
    paths_free(paths);
    buf_clear(&why);
}

static void patterns_hold_as_the_reference_says(void **state)
{
    struct json_iter groups = json_iter(json_get(json_root(answers), "groups"));
    const struct json_value *group;

    (void)state;
    while ((group = json_next(&groups, NULL)) != NULL) {
        struct json_iter it = json_iter(json_get(group, "patterns"));
        const struct json_value *row;

        while ((row = json_next(&it, NULL)) != NULL) {
            compare(json_str(json_get(row, "pattern")),
                    json_get(group, "events"),
                    json_str(json_get(row, "answers")));
        }
    }
    printf("%zu patterns beyond limits; %zu answers of %.*s\n", n_beyond,
           n_compared,
           STR_ARG(json_str(json_get(json_root(answers), "reference"))));
    assert_true(n_compared > 0);
    assert_int_equal(n_wrong, 0);
}

// A difference that is gone must leave the list.
static void differences_are_those_that_are_meant(void **state)
{
    struct json_iter it =
        json_iter(json_get(json_root(answers), "differences"));
    const struct json_value *row;

    (void)state;
    while ((row = json_next(&it, NULL)) != NULL) {
        struct str ours = json_str(json_get(row, "posthorn"));
        struct str theirs = json_str(json_get(row, "reference"));
        struct str pattern = json_str(json_get(row, "pattern"));
        struct pattern *p = NULL;
        struct paths *paths = paths_new();

        assert_false(str_eq(ours, theirs));
        printf("different: %.*s: %.*s with %.*s\n",
               STR_ARG(json_str(json_get(row, "why"))), STR_ARG(pattern),
               STR_ARG(json_str(json_get(row, "event"))));
        if (compile(pattern, &p, NULL) != OK) {
            assert_true(str_is(ours, "x"));
        } else {
            pattern_bind(p, paths);
            assert_int_equal(holds(p, paths, json_str(json_get(row, "event"))),
                             str_is(ours, "1"));
            pattern_unbind(p);
            pattern_free(p);
        }
        paths_free(paths);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_hold_as_the_reference_says),
        cmocka_unit_test(differences_are_those_that_are_meant),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
