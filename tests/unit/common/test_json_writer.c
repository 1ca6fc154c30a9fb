// SPDX-License-Identifier: MIT
// test_json_writer.c — what is written is JSON, and reads back as the same values.

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <yyjson.h>

#include "common/encoding/json.h"
#include "common/encoding/json_writer.h"
#include "tests/support/unit.h"

// --- exact bytes ---

static void assert_text(struct buf *out, const char *wanted)
{
    assert_string_equal(buf_cstr(out), wanted);
    buf_clear(out);
}

static void values_are_separated_and_named(void **state)
{
    struct buf out;
    struct json_writer w = json_writer(&out);

    (void)state;
    buf_init(&out, 0);
    json_open_object(&w, NULL);
    json_put_text(&w, "text", "a");
    json_put_i64(&w, "negative", INT64_MIN);
    json_put_u64(&w, "large", UINT64_MAX);
    json_put_bool(&w, "yes", true);
    json_put_bool(&w, "no", false);
    json_put_null(&w, "nothing");
    json_put_raw(&w, "raw", STR("[1,{\"a\":2}]"));
    json_open_array(&w, "list");
    json_put_i64(&w, NULL, 1);
    json_open_object(&w, NULL);
    json_close(&w);
    json_open_array(&w, NULL);
    json_close(&w);
    json_put_null(&w, NULL);
    json_close(&w);
    json_put_i64(&w, "last", 0);
    json_close(&w);
    assert_text(&out,
                "{\"text\":\"a\",\"negative\":-9223372036854775808,"
                "\"large\":18446744073709551615,\"yes\":true,\"no\":false,"
                "\"nothing\":null,\"raw\":[1,{\"a\":2}],"
                "\"list\":[1,{},[],null],\"last\":0}");
}

static void a_root_needs_no_container(void **state)
{
    struct buf out;
    struct json_writer w = json_writer(&out);

    (void)state;
    buf_init(&out, 0);
    json_put_text(&w, NULL, "alone");
    buf_putc(&out, '\n');
    w = json_writer(&out); // one writer for each value
    json_put_u64(&w, NULL, 7);
    assert_text(&out, "\"alone\"\n7");
}

static void strings_and_outside_names_are_escaped(void **state)
{
    struct buf out;
    struct json_writer w = json_writer(&out);

    (void)state;
    buf_init(&out, 0);
    json_open_object(&w, NULL);
    json_put_key(&w, STR("\"\\\n\x01"));
    json_put_str(&w, NULL, (struct str){ "\0\x7f", 2 });
    json_put_key(&w, STR("\xff"));
    json_put_text(&w, NULL, "\xe2\x80\xae");
    json_put_str(&w, "empty", STR_EMPTY);
    json_put_text(&w, "absent", NULL);
    json_close(&w);
    assert_text(&out,
                "{\"\\\"\\\\\\n\\u0001\":\"\\u0000\\u007f\","
                "\"\xef\xbf\xbd\":\"\\u202e\",\"empty\":\"\",\"absent\":\"\"}");
}

static void numbers_have_their_decimals(void **state)
{
    struct buf out;
    struct json_writer w = json_writer(&out);

    (void)state;
    buf_init(&out, 0);
    json_open_array(&w, NULL);
    json_put_double(&w, NULL, 0.9999996, 6);
    json_put_double(&w, NULL, 1e15, 0);
    json_put_double(&w, NULL, -0.125, 2);
    json_put_double(&w, NULL, (double)NAN, 1);
    json_put_double(&w, NULL, -(double)INFINITY, 1);
    json_close(&w);
    assert_text(&out, "[1.000000,1000000000000000,-0.12,null,null]");
}

static void parts_are_put_in_their_place(void **state)
{
    struct buf out, other;
    struct json_writer w = json_writer(&out);

    (void)state;
    buf_init(&out, 0);
    buf_init(&other, 0);
    json_open_array(&w, NULL);
    json_put_contents(&w, STR("[]"));
    json_put_contents(&w, STR("[1,2]"));
    json_put_contents(&w, STR_EMPTY);
    buf_puts(json_open_text(&w, NULL), "12:");
    buf_puts(w.out, "30");
    json_close_text(&w);
    w.out = &other; // the next piece
    json_open_object(&w, NULL);
    json_put_contents(&w, STR("{\"a\":1}"));
    json_put_contents(&w, STR("{}"));
    buf_puts(json_open_raw(&w, "b"), "[true]");
    json_put_contents(&w, STR("{\"c\":3,\"d\":4}"));
    json_close(&w);
    json_close(&w);
    assert_text(&out, "[1,2,\"12:30\"");
    assert_text(&other, ",{\"a\":1,\"b\":[true],\"c\":3,\"d\":4}]");
}

static void a_full_buffer_is_no_fault(void **state)
{
    (void)state;
    for (size_t cap_bytes = 1; cap_bytes < 40; cap_bytes++) {
        struct buf out;
        struct json_writer w = json_writer(&out);

        buf_init(&out, cap_bytes);
        json_open_object(&w, NULL);
        json_put_text(&w, "name", "somebody");
        json_open_array(&w, "numbers");
        json_put_u64(&w, NULL, 1234567);
        json_close(&w);
        json_close(&w);
        assert_true(out.n_bytes <= cap_bytes);
        // {"name":"somebody","numbers":[1234567]}
        assert_int_equal(out.overflow, cap_bytes < 39);
        buf_clear(&out);
    }
}

// --- anything that is written ---

#define KEYS 4

static const char *const keys[KEYS] = { "a", "name", "createdAt", "_id" };

static uint64_t draw(uint64_t *seed, uint64_t n)
{
    *seed = *seed * 6364136223846793005U + 1442695040888963407U;
    return (*seed >> 33) % n;
}

static void put_utf8(struct buf *out, uint32_t c)
{
    if (c < 0x80) {
        buf_putc(out, (char)c);
    } else if (c < 0x800) {
        buf_putc(out, (char)(0xc0 | c >> 6));
        buf_putc(out, (char)(0x80 | (c & 0x3f)));
    } else if (c < 0x10000) {
        buf_putc(out, (char)(0xe0 | c >> 12));
        buf_putc(out, (char)(0x80 | (c >> 6 & 0x3f)));
        buf_putc(out, (char)(0x80 | (c & 0x3f)));
    } else {
        buf_putc(out, (char)(0xf0 | c >> 18));
        buf_putc(out, (char)(0x80 | (c >> 12 & 0x3f)));
        buf_putc(out, (char)(0x80 | (c >> 6 & 0x3f)));
        buf_putc(out, (char)(0x80 | (c & 0x3f)));
    }
}

// A string of any characters, those that need an escape more often.
static void draw_text(uint64_t *seed, struct buf *out)
{
    static const uint32_t special[] = { 0,      '"',    '\\',   '\n',   0x1f,
                                        0x7f,   0x80,   0x9f,   0x61c,  0x200e,
                                        0x2028, 0x202e, 0xfffd, 0x10000 };
    static const uint32_t ends[] = { 0x80, 0x800, 0xd800, 0x10ffff };

    for (uint64_t n = draw(seed, 12); n > 0; n--) {
        if (draw(seed, 3) == 0) {
            put_utf8(out,
                     special[draw(seed, sizeof(special) / sizeof(special[0]))]);
        } else {
            uint32_t c = (uint32_t)draw(seed, ends[draw(seed, 4)]);

            put_utf8(out, c >= 0xd800 && c < 0xe000 ? 0xe000 : c);
        }
    }
}

enum drawn { TEXT, INTEGER, UNSIGNED, REAL, TRUTH, NOTHING, ARRAY, OBJECT };

struct value {
    enum drawn kind;
    struct buf text; // the string, or the number as it must be written
    int64_t integer;
    uint64_t whole; // also the number of elements
    double real;
};

static void draw_value(uint64_t *seed, unsigned depth, struct value *v)
{
    memset(v, 0, sizeof(*v));
    v->kind = (enum drawn)draw(seed, depth < 5 ? 8 : 6);
    if (depth == 0)
        v->kind = OBJECT;
    buf_init(&v->text, 0);
    v->whole = draw(seed, UINT64_MAX) << draw(seed, 34);
    v->integer = (int64_t)v->whole;
    v->real = (double)v->integer / 1024;
    switch (v->kind) {
    case TEXT:
        draw_text(seed, &v->text);
        break;
    case INTEGER:
        buf_printf(&v->text, "%lld", (long long)v->integer);
        break;
    case UNSIGNED:
        buf_printf(&v->text, "%llu", (unsigned long long)v->whole);
        break;
    case REAL:
        buf_printf(&v->text, "%.3f", v->real);
        break;
    case TRUTH:
    case NOTHING:
        break;
    case ARRAY:
    case OBJECT:
        v->whole = draw(seed, 7);
        break;
    }
}

// The name of member `i`: the program's own, or one from outside.
static void draw_name(uint64_t *seed, uint64_t i, struct buf *out)
{
    buf_reset(out);
    if (i < KEYS) {
        buf_puts(out, keys[i]);
        return;
    }
    draw_text(seed, out);
    buf_printf(out, "#%u", (unsigned)i); // no name twice
}

static void write_value(uint64_t *seed, unsigned depth, const char *key,
                        struct json_writer *w)
{
    struct value v;
    struct buf name;

    draw_value(seed, depth, &v);
    buf_init(&name, 0);
    switch (v.kind) {
    case TEXT:
        json_put_str(w, key, buf_str(&v.text));
        break;
    case INTEGER:
        json_put_i64(w, key, v.integer);
        break;
    case UNSIGNED:
        json_put_u64(w, key, v.whole);
        break;
    case REAL:
        json_put_double(w, key, v.real, 3);
        break;
    case TRUTH:
        json_put_bool(w, key, v.integer % 2 != 0);
        break;
    case NOTHING:
        json_put_null(w, key);
        break;
    case ARRAY:
        json_open_array(w, key);
        for (uint64_t i = 0; i < v.whole; i++)
            write_value(seed, depth + 1, NULL, w);
        json_close(w);
        break;
    case OBJECT:
        json_open_object(w, key);
        for (uint64_t i = 0; i < v.whole; i++) {
            draw_name(seed, i, &name);
            if (i >= KEYS)
                json_put_key(w, buf_str(&name));
            write_value(seed, depth + 1, i < KEYS ? keys[i] : NULL, w);
        }
        json_close(w);
        break;
    }
    buf_clear(&name);
    buf_clear(&v.text);
}

static void assert_same(struct str read, const struct buf *wanted)
{
    assert_int_equal(read.n_bytes, wanted->n_bytes);
    if (read.n_bytes > 0)
        assert_memory_equal(read.at, wanted->at, read.n_bytes);
}

static void check_leaf(const struct value *v, const struct json_value *read)
{
    switch (v->kind) {
    case TEXT:
        assert_true(json_is(read, JSON_STRING));
        assert_same(json_str(read), &v->text);
        break;
    case INTEGER:
    case UNSIGNED:
    case REAL:
        assert_same(json_number(read), &v->text);
        break;
    case TRUTH:
        assert_true(json_is(read, JSON_BOOL));
        assert_int_equal(json_bool(read), v->integer % 2 != 0);
        break;
    case NOTHING:
        assert_true(json_is(read, JSON_NULL));
        break;
    case ARRAY:
    case OBJECT:
        assert_true(json_is(read, v->kind == ARRAY ? JSON_ARRAY : JSON_OBJECT));
        assert_int_equal(json_size(read), v->whole);
        break;
    }
}

// Draws the same values again, and compares them with what the project's reader reads.
static void check_value(uint64_t *seed, unsigned depth,
                        const struct json_value *read)
{
    struct json_iter it = json_iter(read);
    struct value v;
    struct buf name;
    struct str key;

    draw_value(seed, depth, &v);
    buf_init(&name, 0);
    check_leaf(&v, read);
    for (uint64_t i = 0; v.kind >= ARRAY && i < v.whole; i++) {
        const struct json_value *item = json_next(&it, &key);

        assert_non_null(item);
        if (v.kind == OBJECT) {
            draw_name(seed, i, &name);
            assert_same(key, &name);
        }
        check_value(seed, depth + 1, item);
    }
    buf_clear(&name);
    buf_clear(&v.text);
}

static struct str str_of_yy(yyjson_val *val)
{
    return (struct str){ yyjson_get_str(val), yyjson_get_len(val) };
}

// The same for yyjson, as other programs use it.
static void check_yy(uint64_t *seed, unsigned depth, yyjson_val *read)
{
    struct value v;
    struct buf name;
    yyjson_arr_iter elements = yyjson_arr_iter_with(read);
    yyjson_obj_iter members = yyjson_obj_iter_with(read);

    draw_value(seed, depth, &v);
    buf_init(&name, 0);
    if (v.kind == TEXT) {
        assert_same(str_of_yy(read), &v.text);
    } else if (v.kind == INTEGER) {
        assert_true(yyjson_get_sint(read) == v.integer);
    } else if (v.kind == UNSIGNED) {
        assert_true(yyjson_get_uint(read) == v.whole);
    } else if (v.kind == REAL) {
        assert_true(fabs(yyjson_get_num(read) - v.real) <=
                    0.0005 + fabs(v.real) * 1e-15);
    } else if (v.kind == TRUTH) {
        assert_int_equal(yyjson_is_true(read), v.integer % 2 != 0);
    } else if (v.kind == NOTHING) {
        assert_true(yyjson_is_null(read));
    }
    for (uint64_t i = 0; v.kind >= ARRAY && i < v.whole; i++) {
        yyjson_val *item = v.kind == ARRAY ? yyjson_arr_iter_next(&elements)
                                           : yyjson_obj_iter_next(&members);

        assert_non_null(item);
        if (v.kind == OBJECT) {
            draw_name(seed, i, &name);
            assert_same(str_of_yy(item), &name);
            item = yyjson_obj_iter_get_val(item);
        }
        check_yy(seed, depth + 1, item);
    }
    buf_clear(&name);
    buf_clear(&v.text);
}

static void what_is_written_reads_back_the_same(void **state)
{
    (void)state;
    for (uint64_t round = 1; round <= 2000; round++) {
        struct buf out, why;
        struct json_writer w = json_writer(&out);
        struct json *json = NULL;
        yyjson_doc *doc;
        uint64_t seed = round;

        buf_init(&out, 0);
        buf_init(&why, 0);
        write_value(&seed, 0, NULL, &w);
        if (json_parse(buf_str(&out), &json_default_limits, &json, &why) != OK)
            fail_msg("round %u: %s", (unsigned)round, buf_cstr(&why));
        seed = round;
        check_value(&seed, 0, json_root(json));
        json_free(json);
        doc = yyjson_read(out.at, out.n_bytes, 0);
        assert_non_null(doc);
        seed = round;
        check_yy(&seed, 0, yyjson_doc_get_root(doc));
        yyjson_doc_free(doc);
        buf_clear(&why);
        buf_clear(&out);
    }
}

static void the_deepest_nesting_is_written(void **state)
{
    struct buf out;
    struct json_writer w = json_writer(&out);
    struct json *json = NULL;

    (void)state;
    buf_init(&out, 0);
    for (unsigned i = 0; i < JSON_WRITER_DEPTH_MAX; i++) {
        if (i % 2 == 0) {
            json_open_array(&w, NULL);
        } else {
            json_open_object(&w, NULL);
            json_put_key(&w, STR("k"));
        }
        if (i % 2 != 0 && i + 1 == JSON_WRITER_DEPTH_MAX)
            json_put_null(&w, NULL);
    }
    for (unsigned i = 0; i < JSON_WRITER_DEPTH_MAX; i++)
        json_close(&w);
    assert_int_equal(
        json_parse(buf_str(&out), &json_default_limits, &json, NULL), OK);
    json_free(json);
    buf_clear(&out);
}

// --- misuse ---

enum misuse {
    NAMED_ROOT,
    NAMED_ELEMENT,
    UNNAMED_MEMBER,
    TWO_NAMES,
    NAME_AFTER_NAME,
    NAME_IN_ARRAY,
    NAME_WITHOUT_VALUE,
    SECOND_ROOT,
    CLOSE_TOO_MANY,
    CONTENTS_OUTSIDE,
    VALUE_WITHIN_TEXT,
    CLOSE_WITHIN_TEXT,
    CLOSE_OF_NO_TEXT,
    TOO_DEEP,
    MISUSES
};

static void misuse_object(enum misuse misuse, struct json_writer *w)
{
    json_open_object(w, NULL);
    if (misuse != UNNAMED_MEMBER)
        json_put_key(w, STR("a"));
    if (misuse == NAME_AFTER_NAME)
        json_put_key(w, STR("b"));
    if (misuse == NAME_WITHOUT_VALUE)
        json_close(w);
    json_put_null(w, misuse == TWO_NAMES ? "b" : NULL);
}

static void misuse_array(enum misuse misuse, struct json_writer *w)
{
    json_open_array(w, NULL);
    if (misuse == NAME_IN_ARRAY)
        json_put_key(w, STR("a"));
    if (misuse == VALUE_WITHIN_TEXT || misuse == CLOSE_WITHIN_TEXT)
        json_open_text(w, NULL);
    if (misuse == CLOSE_OF_NO_TEXT)
        json_close_text(w);
    if (misuse == NAMED_ELEMENT || misuse == VALUE_WITHIN_TEXT)
        json_put_null(w, misuse == NAMED_ELEMENT ? "a" : NULL);
    json_close(w);
    if (misuse == SECOND_ROOT)
        json_put_null(w, NULL);
    if (misuse == CLOSE_TOO_MANY)
        json_close(w);
}

static void misuse_writer(enum misuse misuse, struct json_writer *w)
{
    if (misuse == NAMED_ROOT) {
        json_put_null(w, "a");
    } else if (misuse == CONTENTS_OUTSIDE) {
        json_put_contents(w, STR("[1]"));
    } else if (misuse == TOO_DEEP) {
        for (unsigned i = 0; i <= JSON_WRITER_DEPTH_MAX; i++)
            json_open_array(w, NULL);
    } else if (misuse == UNNAMED_MEMBER || misuse == TWO_NAMES ||
               misuse == NAME_AFTER_NAME || misuse == NAME_WITHOUT_VALUE) {
        misuse_object(misuse, w);
    } else {
        misuse_array(misuse, w);
    }
}

static void assert_aborts(enum misuse misuse)
{
    int status = 0;
    pid_t child;

    fflush(NULL);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const struct rlimit none = { 0, 0 };
        struct buf out;
        struct json_writer w = json_writer(&out);

        setrlimit(RLIMIT_CORE, &none);
        signal(SIGABRT, SIG_DFL);
        if (freopen("/dev/null", "w", stderr) == NULL)
            _exit(2);
        buf_init(&out, 0);
        misuse_writer(misuse, &w);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
        fail_msg("misuse %u did not abort", (unsigned)misuse);
}

static void what_cannot_be_json_aborts(void **state)
{
    (void)state;
    for (unsigned misuse = 0; misuse < MISUSES; misuse++)
        assert_aborts((enum misuse)misuse);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_separated_and_named),
        cmocka_unit_test(a_root_needs_no_container),
        cmocka_unit_test(strings_and_outside_names_are_escaped),
        cmocka_unit_test(numbers_have_their_decimals),
        cmocka_unit_test(parts_are_put_in_their_place),
        cmocka_unit_test(a_full_buffer_is_no_fault),
        cmocka_unit_test(what_is_written_reads_back_the_same),
        cmocka_unit_test(the_deepest_nesting_is_written),
        cmocka_unit_test(what_cannot_be_json_aborts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
