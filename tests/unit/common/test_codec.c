// SPDX-License-Identifier: MIT
// test_codec.c — records and frames: what is written is read, what is damaged
// is refused.

#include <stdlib.h>
#include <string.h>

#include "common/base/codec.h"
#include "common/base/utf8.h"
#include "common/encoding/id.h"
#include "tests/support/unit.h"

static void numbers_of_every_size_come_back(void **state)
{
    static const int64_t numbers[] = {
        0,      1,         127,       128,       255,      256,  65535,
        65536,  -1,        -32,       -33,       -128,     -129, -32768,
        -32769, INT32_MIN, INT32_MAX, INT64_MIN, INT64_MAX
    };
    struct buf b;
    struct unpack u;

    (void)state;
    buf_init(&b, 0);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        pack_i64(&b, numbers[i]);
    pack_u64(&b, UINT64_MAX);
    u = unpack_of(buf_str(&b));
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        assert_true(unpack_i64(&u) == numbers[i]);
    assert_true(unpack_u64(&u) == UINT64_MAX);
    assert_int_equal(unpack_done(&u), OK);
    buf_clear(&b);
}

static void strings_of_every_size_come_back(void **state)
{
    static const size_t sizes[] = { 0, 1, 255, 256, 65535, 65536, 70000 };
    char *text = malloc(70000);

    (void)state;
    memset(text, 'x', 70000);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct str in = { text, sizes[i] };
        struct buf b;
        struct unpack u;

        buf_init(&b, 0);
        pack_str(&b, in);
        u = unpack_of(buf_str(&b));
        assert_true(str_eq(unpack_str(&u), in));
        assert_int_equal(unpack_done(&u), OK);
        buf_clear(&b);
    }
    free(text);
}

// A header claims more bytes than there are.
static void lengths_that_lie_are_refused(void **state)
{
    static const char bin[] = "\xc6\xff\xff\xff\xff";
    static const char array[] = "\xdd\xff\xff\xff\xff";
    struct unpack u = unpack_of((struct str){ bin, 5 });

    (void)state;
    assert_int_equal(unpack_str(&u).n_bytes, 0);
    assert_int_equal(unpack_done(&u), ERR_CORRUPT);
    u = unpack_of((struct str){ array, 5 });
    assert_int_equal(unpack_array(&u, 1000), 0);
    assert_int_equal(unpack_done(&u), ERR_CORRUPT);
}

static void a_record_is_sound_in_its_own_place_only(void **state)
{
    uint32_t here = record_place(7, STR("key"));
    const uint32_t others[] = { record_place(8, STR("key")),
                                record_place(7, STR("kez")),
                                record_place(7, STR_EMPTY), RECORD_NOWHERE };
    struct buf b;
    struct unpack u;
    uint8_t version;
    size_t start;

    (void)state;
    buf_init(&b, 0);
    start = record_begin(&b, 1);
    pack_str(&b, STR("some text"));
    record_end(&b, start);
    record_move(b.at, b.n_bytes, here);
    assert_int_equal(record_open(here, buf_str(&b), 1, &version, &u), OK);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_int_equal(record_open(others[i], buf_str(&b), 1, &version, &u),
                         ERR_CORRUPT);
    }
    record_move(b.at, b.n_bytes, here); // out of it again
    assert_int_equal(record_open(RECORD_NOWHERE, buf_str(&b), 1, &version, &u),
                     OK);
    buf_clear(&b);
}

static void every_damaged_byte_of_a_record_is_noticed(void **state)
{
    struct buf b;
    struct unpack u;
    uint8_t version;

    (void)state;
    buf_init(&b, 0);
    record_end(&b, record_begin(&b, 1));
    buf_reset(&b);
    {
        size_t start = record_begin(&b, 2);

        pack_str(&b, STR("some text"));
        pack_u64(&b, 77);
        record_end(&b, start);
    }
    assert_int_equal(record_open(RECORD_NOWHERE, buf_str(&b), 2, &version, &u),
                     OK);
    assert_int_equal(version, 2);
    assert_true(str_is(unpack_str(&u), "some text"));
    assert_int_equal(unpack_u64(&u), 77);
    assert_int_equal(unpack_done(&u), OK);
    assert_int_equal(record_open(RECORD_NOWHERE, buf_str(&b), 1, &version, &u),
                     ERR_CORRUPT);
    for (size_t i = 0; i < b.n_bytes; i++) {
        b.at[i] ^= 0x10;
        assert_int_equal(
            record_open(RECORD_NOWHERE, buf_str(&b), 2, &version, &u),
            ERR_CORRUPT);
        b.at[i] ^= 0x10;
    }
    for (size_t n = 0; n < b.n_bytes; n++) {
        assert_int_equal(record_open(RECORD_NOWHERE, (struct str){ b.at, n }, 2,
                                     &version, &u),
                         ERR_CORRUPT);
    }
    buf_clear(&b);
}

// Any bytes at all: no read past the end (the sanitizers watch), no hang.
static void random_bytes_are_read_without_harm(void **state)
{
    uint32_t seed = 12345;

    (void)state;
    for (int round = 0; round < 20000; round++) {
        char bytes[64];
        size_t n;
        struct unpack u;

        for (size_t i = 0; i < sizeof(bytes); i++) {
            seed = seed * 1103515245 + 12345;
            bytes[i] = (char)(seed >> 16);
        }
        n = (seed >> 8) % sizeof(bytes);
        u = unpack_of((struct str){ bytes, n });
        while (u.at < u.end && !u.bad) {
            switch (*u.at % 4) {
            case 0:
                unpack_u64(&u);
                break;
            case 1:
                unpack_str(&u);
                break;
            case 2:
                unpack_array(&u, 100);
                break;
            default:
                unpack_i64(&u);
                break;
            }
        }
        assert_true(u.at <= u.end);
    }
}

static void json_strings_are_escaped_and_made_valid(void **state)
{
    static const struct {
        const char *in, *out;
        size_t n_bytes;
    } cases[] = {
        { "plain", "\"plain\"", 5 },
        { "a\"b\\c", "\"a\\\"b\\\\c\"", 5 },
        { "\r\n\t\b\f", "\"\\r\\n\\t\\b\\f\"", 5 },
        { "\x01\x1f\x7f", "\"\\u0001\\u001f\\u007f\"", 3 },
        { "\xf0\x9f\x8d\xb9", "\"\xf0\x9f\x8d\xb9\"", 4 },
        { "a\xff"
          "b",
          "\"a\xef\xbf\xbd"
          "b\"",
          3 },
        { "\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"", 3 },
        { "\xc0\xaf", "\"\xef\xbf\xbd\xef\xbf\xbd\"", 2 },
        { "a\xc2\x9b\xc2\xa0", "\"a\\u009b\xc2\xa0\"", 5 }, // C1 is escaped
        { "\xe2\x80\xaex\xe2\x81\xa6", "\"\\u202ex\\u2066\"", 7 },
        { "\xd8\x9c\xe2\x80\xa9", "\"\\u061c\\u2029\"", 5 },
    };
    struct buf b;

    (void)state;
    buf_init(&b, 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        buf_reset(&b);
        buf_put_json(&b, (struct str){ cases[i].in, cases[i].n_bytes });
        assert_string_equal(buf_cstr(&b), cases[i].out);
        assert_true(utf8_is_valid(b.at, b.n_bytes));
    }
    buf_clear(&b);
}

static void what_could_move_a_cursor_or_turn_text_is_a_blank(void **state)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        { "plain \xc3\xa9 \xf0\x9f\x8d\xb9",
          "plain \xc3\xa9 \xf0\x9f\x8d\xb9" },
        { "a\x1b[31m\tb\n\x7f", "a [31m b  " },
        { "\xc2\x80\xc2\x9b\xc2\x9f\xc2\xa0", "   \xc2\xa0" },
        { "\xe2\x80\x8d\xe2\x80\x8e\xe2\x80\x8f\xe2\x80\x90",
          "\xe2\x80\x8d  \xe2\x80\x90" },
        { "\xe2\x80\xa7\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa\xe2\x80\xae"
          "\xe2\x80\xaf",
          "\xe2\x80\xa7    \xe2\x80\xaf" },
        { "\xe2\x81\xa5\xe2\x81\xa6\xe2\x81\xa9\xe2\x81\xaa",
          "\xe2\x81\xa5  \xe2\x81\xaa" },
        { "\xd8\x9b\xd8\x9c\xd8\x9d", "\xd8\x9b \xd8\x9d" },
        { "\x9b"
          "31m\xe2\x80",
          " 31m  " }, // no UTF-8: a terminal of Latin-1 would obey
    };
    struct buf b;

    (void)state;
    buf_init(&b, 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        buf_reset(&b);
        buf_put_plain(&b, str_of(cases[i].in));
        assert_string_equal(buf_cstr(&b), cases[i].out);
    }
    buf_clear(&b);
}

static void ids_keep_their_serial_and_their_text(void **state)
{
    struct id id = id_v7(1763676000123, UINT64_C(0x123456789abc), 0xffffffff);
    struct id back;
    char text[ID_TEXT_BYTES + 1];

    (void)state;
    id_format(&id, text);
    assert_int_equal(text[14], '7');
    assert_non_null(strchr("89ab", text[19]));
    assert_true(id_serial(&id) == UINT64_C(0x123456789abc));
    assert_int_equal(id_parse(str_of(text), &back), OK);
    assert_true(id_eq(&id, &back));
    assert_int_equal(id_parse(STR("not-a-uuid"), &back), ERR_INVALID);
    text[8] = '_';
    assert_int_equal(id_parse(str_of(text), &back), ERR_INVALID);
}

static void a_buffer_stops_at_its_cap(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 10);
    buf_puts(&b, "12345678");
    assert_false(b.overflow);
    buf_puts(&b, "90ab");
    assert_true(b.overflow);
    buf_puts(&b, "x");
    assert_int_equal(b.n_bytes, 8);
    buf_clear(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_of_every_size_come_back),
        cmocka_unit_test(strings_of_every_size_come_back),
        cmocka_unit_test(lengths_that_lie_are_refused),
        cmocka_unit_test(a_record_is_sound_in_its_own_place_only),
        cmocka_unit_test(every_damaged_byte_of_a_record_is_noticed),
        cmocka_unit_test(random_bytes_are_read_without_harm),
        cmocka_unit_test(json_strings_are_escaped_and_made_valid),
        cmocka_unit_test(what_could_move_a_cursor_or_turn_text_is_a_blank),
        cmocka_unit_test(ids_keep_their_serial_and_their_text),
        cmocka_unit_test(a_buffer_stops_at_its_cap),
    };

    return cmocka_run_group_tests_name("codec", tests, NULL, NULL);
}
