// SPDX-License-Identifier: MIT
// test_event_parser.c — a posted text becomes an event, or is refused with a reason.

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/arena.h"
#include "engine/ingest/event_parser.h"
#include "tests/support/unit.h"

static const struct event_parser of_pulumi = {
    .path = { .dialect = DIALECT_PULUMI, .org = { "acme", 4 } },
    .max_event_bytes = 300,
    .json = { .max_depth = 8 },
    .accepted_at_us = 17,
};

static const struct event_parser of_akinon = {
    .path = { .dialect = DIALECT_AKINON,
              .org = { "acme", 4 },
              .project = { "shop", 4 } },
    .max_event_bytes = 300,
    .json = { .max_depth = 8 },
};

static enum err read(const struct event_parser *in, const char *text,
                     struct arena *arena, struct new_event *out,
                     struct buf *why)
{
    buf_reset(why);
    return event_parser_read(in, str_of(text), arena, out, why);
}

static void an_event_is_taken_as_it_was_posted(void **state)
{
    struct new_event e;
    struct arena arena = { 0 };
    struct buf why;
    char id[ID_TEXT_BYTES + 1];

    (void)state;
    buf_init(&why, 0);
    assert_int_equal(read(&of_pulumi,
                          "{\"payload\": {\"n\" : 1.50, \"t\": \"a b\"},\n"
                          " \"kind\": \"shop.order\", \"other\": [1],\n"
                          " \"id\": \"0190F3C4-7A1E-7C3B-9D52-3F1B2A4C5D6E\"}",
                          &arena, &e, &why),
                     OK);
    assert_true(str_is(e.event.payload, "{\"n\":1.50,\"t\":\"a b\"}"));
    assert_true(str_is(e.event.kind, "shop.order"));
    assert_true(str_is(e.event.org, "acme"));
    assert_int_equal(e.event.accepted_at_us, 17);
    assert_true(e.has_id);
    id_format(&e.event.id, id);
    assert_string_equal(id, "0190f3c4-7a1e-7c3b-9d52-3f1b2a4c5d6e");
    assert_int_equal(why.n_bytes, 0);

    assert_int_equal(read(&of_akinon,
                          "{\"event\": \"deployment.build.created\", "
                          "\"id\": null}",
                          &arena, &e, &why),
                     OK);
    assert_true(str_is(e.event.payload, "{}"));
    assert_true(str_is(e.event.project, "shop"));
    assert_false(e.has_id);
    buf_clear(&why);
    arena_clear(&arena);
}

static void what_is_wrong_is_named(void **state)
{
    static const struct {
        const struct event_parser *in;
        const char *text;
        const char *part; // of the reason
    } rows[] = {
        { &of_pulumi, "[]", "the event is an array" },
        { &of_pulumi, "{\"payload\":{}}", "kind is missing" },
        { &of_pulumi, "{\"kind\":7,\"payload\":{}}", "kind is a number" },
        { &of_pulumi, "{\"kind\":\"stack_update\",\"payload\":7}",
          "payload must be an object, it is a number" },
        { &of_pulumi, "{\"kind\":\"a.b\"}",
          "payload must be a JSON value, it is missing" },
        { &of_pulumi, "{\"kind\":\"posthorn.x\",\"payload\":{}}", "posthorn" },
        { &of_pulumi, "{\"kind\":\"a.b\",\"payload\":{},\"id\":7}", "id is a" },
        { &of_pulumi, "{\"kind\":\"a.b\",\"payload\":{},\"id\":\"7\"}",
          "id is not a UUID" },
        { &of_pulumi, "{\"kind\":\"a.b\",\"payload\":{}} x", "" },
        { &of_akinon, "{\"data\":{}}", "event is missing" },
        { &of_akinon, "{\"event\":\"ping\"}", "ping" },
        { &of_akinon, "{\"event\":\"posthorn.x\"}", "posthorn" },
        { &of_akinon, "{\"event\":\"A b\"}", "\"A b\"" },
        { &of_akinon, "{\"event\":\"a.b\",\"data\":1}", "data is a number" },
    };
    struct new_event e;
    struct arena arena = { 0 };
    struct buf why;

    (void)state;
    buf_init(&why, 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        enum err err = read(rows[i].in, rows[i].text, &arena, &e, &why);

        if (err != ERR_INVALID || why.n_bytes == 0 ||
            strstr(buf_cstr(&why), rows[i].part) == NULL)
            fail_msg("%s: %s, %s", rows[i].text, err_str(err), buf_cstr(&why));
    }
    buf_clear(&why);
    arena_clear(&arena);
}

static void an_event_that_is_too_large_is_not_read(void **state)
{
    struct event_parser in = of_pulumi;
    const char text[] = "{\"kind\":\"a.b\",\"payload\":{}}";
    struct new_event e;
    struct arena arena = { 0 };
    struct buf why;

    (void)state;
    buf_init(&why, 0);
    in.max_event_bytes = sizeof(text) - 1;
    assert_int_equal(read(&in, text, &arena, &e, &why), OK);
    in.max_event_bytes--;
    assert_int_equal(read(&in, text, &arena, &e, &why), ERR_TOOBIG);
    assert_non_null(strstr(buf_cstr(&why), "at most 26"));
    buf_clear(&why);
    arena_clear(&arena);
}

static unsigned n_slices; // of read_lines()

// Reads all lines, with `until_us` for each slice; returns the last error.
static enum err read_lines(const struct event_parser *in, struct str text,
                           int64_t until_us, struct arena *arena,
                           struct event_lines *lines, struct buf *why)
{
    enum err err = event_lines_begin(EVENT_OF_API, text, arena, lines, why);

    n_slices = 0;
    if (err != OK)
        return err;
    do {
        err = event_lines_read(in, lines, arena, until_us, why);
        n_slices++;
    } while (err == ERR_AGAIN);
    return err;
}

static void each_line_is_an_event_with_a_key_of_its_own(void **state)
{
    static const char text[] = "{\"kind\":\"a.b\",\"payload\":{}}\r\n"
                               " \t\r\n\n"
                               "{\"kind\":\"a.c\",\"payload\":{}}";
    static const int64_t untils_us[] = { INT64_MAX, 0 }; // for ever, and never
    struct event_parser in = of_pulumi;
    struct event_lines lines;
    struct arena arena = { 0 };
    struct buf why;

    (void)state;
    in.key = STR("k");
    buf_init(&why, 0);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(
            read_lines(&in, str_of(text), untils_us[i], &arena, &lines, &why),
            OK);
        assert_int_equal(lines.n, 2);
        assert_int_equal(n_slices, i == 0 ? 1 : 2);
        assert_true(str_is(lines.events[0].idempotency, "k#1"));
        assert_true(str_is(lines.events[1].idempotency, "k#4"));
        assert_true(str_is(lines.events[1].event.kind, "a.c"));
        assert_int_equal(why.n_bytes, 0);
    }
    buf_clear(&why);
    arena_clear(&arena);
}

static void a_line_that_is_wrong_is_named_by_its_number(void **state)
{
    struct event_lines lines;
    struct arena arena = { 0 };
    struct buf why;

    (void)state;
    buf_init(&why, 0);
    assert_int_equal(read_lines(&of_pulumi,
                                STR("{\"kind\":\"a.b\",\"payload\":{}}\n\n7\n"),
                                INT64_MAX, &arena, &lines, &why),
                     ERR_INVALID);
    assert_int_equal(strncmp(buf_cstr(&why), "line 3: ", 8), 0);
    buf_reset(&why);
    assert_int_equal(
        read_lines(&of_pulumi, STR("\n \n"), INT64_MAX, &arena, &lines, &why),
        ERR_INVALID);
    assert_non_null(strstr(buf_cstr(&why), "no event"));
    buf_clear(&why);
    arena_clear(&arena);
}

static void more_lines_than_allowed_are_refused_before_any_is_read(void **state)
{
    struct event_lines lines;
    struct arena arena = { 0 };
    struct buf text;
    struct buf why;

    (void)state;
    buf_init(&text, 0);
    buf_init(&why, 0);
    for (size_t i = 0; i < EVENT_LINES_MAX; i++)
        buf_puts(&text, "{\"kind\":\"a.b\",\"payload\":{}}\n");
    assert_int_equal(
        read_lines(&of_pulumi, buf_str(&text), INT64_MAX, &arena, &lines, &why),
        OK);
    assert_int_equal(lines.n, EVENT_LINES_MAX);
    buf_puts(&text, "\n");
    assert_int_equal(
        read_lines(&of_pulumi, buf_str(&text), INT64_MAX, &arena, &lines, &why),
        ERR_INVALID);
    assert_non_null(strstr(buf_cstr(&why), "10000 lines"));
    buf_clear(&text);
    buf_clear(&why);
    arena_clear(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_is_taken_as_it_was_posted),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(an_event_that_is_too_large_is_not_read),
        cmocka_unit_test(each_line_is_an_event_with_a_key_of_its_own),
        cmocka_unit_test(a_line_that_is_wrong_is_named_by_its_number),
        cmocka_unit_test(
            more_lines_than_allowed_are_refused_before_any_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
