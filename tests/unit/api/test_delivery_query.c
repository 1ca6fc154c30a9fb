// SPDX-License-Identifier: MIT
// test_delivery_query.c — queries and cursors of a history.

#include <string.h>

#include "api/json/delivery_filter.h"
#include "tests/support/unit.h"

static enum err read_query(const char *query, struct arena *arena,
                           struct delivery_query *out)
{
    struct http_request r = { .query = str_of(query) };
    struct buf why;
    enum err err;

    buf_init(&why, 0);
    err = delivery_query_read(&r, arena, out, &why);
    assert_int_equal(why.n_bytes > 0, err != OK); // a refusal has a reason
    buf_clear(&why);
    return err;
}

static void queries_are_checked(void **state)
{
    static const struct {
        const char *query;
        enum err err;
    } cases[] = {
        { "", OK },
        { "unknown=1&other", OK },
        { "limit=1", OK },
        { "limit=1000", OK },
        { "limit=0", ERR_INVALID },
        { "limit=1001", ERR_INVALID },
        { "limit=-1", ERR_INVALID },
        { "limit=ten", ERR_INVALID },
        { "limit=", ERR_INVALID },
        { "code=0", OK },
        { "code=503", OK },
        { "code=600", ERR_INVALID },
        { "id=0190a5b8-1111-7222-8333-444455556666", OK },
        { "id=x", ERR_INVALID },
        { "state=dead", OK },
        { "state=delivered", OK },
        { "state=sleeping", ERR_INVALID },
        { "state=dead,retrying", OK },
        { "state=dead,", ERR_INVALID },
        { "error=dns,timeout", OK },
        { "error=unlucky", ERR_INVALID },
        { "since=1700000000&until=2026-11-20T10%3A15%3A30Z", OK },
        { "since=yesterday", ERR_INVALID },
        { "kind=order.created", OK },
        { "kind=%zz", ERR_INVALID },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct arena arena = { NULL };
        struct delivery_query query;

        if (read_query(cases[i].query, &arena, &query) != cases[i].err)
            fail_msg("%s", cases[i].query);
        arena_clear(&arena);
    }
}

static void times_are_read(void **state)
{
    static const struct {
        const char *text;
        int64_t at_us; // -1: refused
    } cases[] = {
        { "0", 0 },
        { "1700000000", 1700000000000000 },
        { "1970-01-01T00:00:01Z", 1000000 },
        { "1970-01-01t00:00:01.25z", 1250000 },
        { "2024-02-29T12:00:00+02:00", 1709200800000000 },
        { "2024-02-29T08:30:00-01:30", 1709200800000000 },
        { "1970-01-01T00:00:00.0000019Z", 1 },
        { "2023-02-29T00:00:00Z", -1 },
        { "2024-13-01T00:00:00Z", -1 },
        { "2024-01-01T24:00:00Z", -1 },
        { "2024-01-01T00:00:00", -1 },
        { "2024-01-01T00:00:00.Z", -1 },
        { "2024-01-01T00:00:00Zx", -1 },
        { "2024-01-01", 1704067200000000 }, // a day begins, in UTC
        { "2024-02-30", -1 },
        { "2024-01-1x", -1 },
        { "2024-01-01 ", -1 },
        { "-5", -1 },
        { "999999999999999", -1 },
        { "", -1 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t at_us = -1;
        enum err err = delivery_time_read(str_of(cases[i].text), &at_us);

        if ((err == OK) != (cases[i].at_us >= 0) || at_us != cases[i].at_us)
            fail_msg("%s: %lld", cases[i].text, (long long)at_us);
    }
}

static void cursors_cannot_be_made_up(void **state)
{
    static const uint8_t key[SHA256_BYTES] = { 1 };
    static const uint8_t other_key[SHA256_BYTES] = { 2 };
    struct buf text;
    const uint64_t rows[] = { 1234567, 9 };
    uint64_t row_no[2] = { 0 };

    (void)state;
    buf_init(&text, 0);
    cursor_put(key, 7, rows, 2, &text);
    assert_int_equal(cursor_read(key, buf_str(&text), 7, row_no, 2), OK);
    assert_memory_equal(row_no, rows, sizeof(rows));
    assert_int_equal(cursor_read(key, buf_str(&text), 7, row_no, 1),
                     ERR_INVALID); // of another number of shards
    assert_int_equal(cursor_read(key, buf_str(&text), 8, row_no, 2),
                     ERR_INVALID);
    assert_int_equal(cursor_read(other_key, buf_str(&text), 7, row_no, 2),
                     ERR_INVALID);
    assert_int_equal(cursor_read(key, STR("x"), 7, row_no, 2), ERR_INVALID);
    for (size_t i = 0; i < text.n_bytes; i++) {
        char was = text.at[i];

        text.at[i] = was == '0' ? '1' : '0';
        assert_int_equal(cursor_read(key, buf_str(&text), 7, row_no, 2),
                         ERR_INVALID);
        text.at[i] = was;
    }
    buf_clear(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(queries_are_checked),
        cmocka_unit_test(times_are_read),
        cmocka_unit_test(cursors_cannot_be_made_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
