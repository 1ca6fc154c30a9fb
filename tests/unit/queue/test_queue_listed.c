// SPDX-License-Identifier: MIT
// test_queue_listed.c — the list of events of a shard: added up, walked, erased, and what
// an earlier version leaves.

#include "common/base/codec.h"
#include "queue/listing/listed_rows.h"
#include "queue/shard/inside.h"
#include "queue/shard/shard_state.h"
#include "tests/support/queue_fixture.h"

#define FIRST (UINT64_C(7) * LISTED_BLOCK)

static struct listed_row row_of(const char *org, uint64_t number,
                                uint32_t n_matched)
{
    return (struct listed_row){
        .dialect = DIALECT_PULUMI,
        .org = str_of(org),
        .block = number / LISTED_BLOCK,
        .newest_us = (int64_t)number,
        .events = { { number, n_matched, listed_kind(STR("a.b")) } },
        .n = 1,
    };
}

static void commit_row(struct fixture *f, const char *org, uint64_t number,
                       uint32_t n_matched)
{
    const struct listed_row row = row_of(org, number, n_matched);
    struct shard_batch *c = shard_batch_new();

    batch_listed_put(c, &row);
    batch_cursor(c, position_of(number));
    commit(f, c);
    shard_batch_free(c);
}

static struct shard_view *view_of(struct fixture *f)
{
    struct shard_view *view;

    assert_int_equal(shard_view_open(&f->config, 0, &view), OK);
    return view;
}

static enum err read_row(struct fixture *f, const char *org, uint64_t block,
                         struct listed_row *out)
{
    return shard_view_listed(view_of(f), DIALECT_PULUMI, str_of(org), block,
                             out);
}

static void test_events_of_a_block_share_a_row(void **state)
{
    struct fixture *f = *state;
    struct listed_row row;

    commit_row(f, "acme", FIRST + 3, 2);
    commit_row(f, "acme", FIRST + 127, 0);
    commit_row(f, "acme", FIRST, 1);
    commit_row(f, "acme", FIRST + 3, 5); // after a change of the dispatchers
    commit_row(f, "acme", FIRST + 128, 9);
    commit_row(f, "acm", FIRST + 200, 7);
    assert_int_equal(read_row(f, "acme", UINT64_MAX, &row), OK);
    assert_int_equal(row.block, 8);
    assert_int_equal(row.n, 1);
    assert_int_equal(read_row(f, "acme", 7, &row), OK);
    assert_int_equal(row.n, 3);
    assert_int_equal(row.events[0].number, FIRST);
    assert_int_equal(row.events[1].number, FIRST + 3);
    assert_int_equal(row.events[1].n_matched, 7);
    assert_int_equal(row.events[2].number, FIRST + 127);
    assert_int_equal(row.newest_us, FIRST + 127);
    assert_int_equal(read_row(f, "acme", 6, &row), ERR_NOTFOUND);
    assert_int_equal(read_row(f, "acm", UINT64_MAX, &row), OK);
    assert_int_equal(row.n, 1);
    assert_int_equal(read_row(f, "acm", 7, &row), ERR_NOTFOUND);
    assert_int_equal(read_row(f, "ac", UINT64_MAX, &row), ERR_NOTFOUND);
}

static void test_the_walk_meets_every_row_once(void **state)
{
    struct fixture *f = *state;
    struct shard_view *view = view_of(f);
    struct listed_row row;
    struct buf key;

    commit_row(f, "b", 1, 1);
    commit_row(f, "a", 2, 1);
    commit_row(f, "a", 300, 1);
    buf_init(&key, 0);
    assert_int_equal(shard_view_listed_next(view, &key, &row), OK);
    assert_true(str_is(row.org, "a") && row.block == 0);
    assert_int_equal(shard_view_listed_next(view, &key, &row), OK);
    assert_true(str_is(row.org, "a") && row.block == 2);
    assert_int_equal(shard_view_listed_next(view, &key, &row), OK);
    assert_true(str_is(row.org, "b"));
    assert_int_equal(shard_view_listed_next(view, &key, &row), ERR_NOTFOUND);
    shard_view_listed_behind(DIALECT_PULUMI, STR("a"), &key);
    assert_int_equal(shard_view_listed_next(view, &key, &row), OK);
    assert_true(str_is(row.org, "b"));
    buf_clear(&key);
}

// Where the list is whole is told by a row that only versions with a list keep.
static void test_the_list_begins_anew_behind_an_earlier_version(void **state)
{
    struct fixture *f = *state;
    struct shard_view *view = view_of(f);
    struct shard_state old = f->shard->state;
    struct listed_range range;
    MDB_txn *txn;

    assert_int_equal(shard_view_listed_range(view, &range), OK);
    assert_int_equal(position_number(range.to), 0);
    commit_row(f, "acme", 10, 1);
    assert_int_equal(shard_view_listed_range(view, &range), OK);
    assert_int_equal(position_number(range.from), 0);
    assert_int_equal(position_number(range.to), 10);

    old.cursor = position_of(20); // an earlier version moves on without a list
    assert_int_equal(store_write(f->shard->store, &txn), OK);
    assert_int_equal(shard_put_state(f->shard->store, txn, &old), OK);
    assert_int_equal(store_commit(f->shard->store, txn), OK);
    f->shard->state = old;
    assert_int_equal(shard_view_listed_range(view, &range), OK);
    assert_int_equal(position_number(range.from), 20);
    assert_int_equal(position_number(range.to), 20);

    commit_row(f, "acme", 30, 1);
    assert_int_equal(shard_view_listed_range(view, &range), OK);
    assert_int_equal(position_number(range.from), 20);
    assert_int_equal(position_number(range.to), 30);
}

static void test_an_organization_is_erased_from_it(void **state)
{
    struct fixture *f = *state;
    struct store *s = f->shard->store;
    struct listed_row row;
    size_t n = 0;
    MDB_txn *txn;

    for (uint64_t i = 0; i < 5; i++) {
        commit_row(f, "acme", 1 + i * LISTED_BLOCK, 1);
        commit_row(f, "acme2", 2 + i * LISTED_BLOCK, 1);
    }
    assert_int_equal(store_write(s, &txn), OK);
    assert_int_equal(listed_erase(s, txn, SHARD_LISTED, STR("acme"), 3, &n),
                     OK);
    assert_int_equal(n, 3);
    assert_int_equal(listed_erase(s, txn, SHARD_LISTED, STR("acme"), 3, &n),
                     OK);
    assert_int_equal(n, 2);
    assert_int_equal(store_commit(s, txn), OK);
    assert_int_equal(read_row(f, "acme", UINT64_MAX, &row), ERR_NOTFOUND);
    assert_int_equal(read_row(f, "acme2", UINT64_MAX, &row), OK);
}

static void test_damaged_records(void **state)
{
    struct listed_row row = row_of("acme", FIRST + 3, 1);
    struct listed_row read;
    uint8_t key[LISTED_KEY_MAX_BYTES];
    size_t n = listed_key(row.dialect, row.org, row.block, key);
    struct str k = { (const char *)key, n };
    struct buf record;

    (void)state;
    buf_init(&record, 0);
    listed_encode(&row, &record);
    assert_int_equal(listed_decode(RECORD_NOWHERE, k, buf_str(&record), &read),
                     OK);
    assert_int_equal(read.events[0].number, FIRST + 3);
    for (size_t i = 0; i < record.n_bytes; i++) {
        record.at[i] ^= 1;
        assert_int_equal(
            listed_decode(RECORD_NOWHERE, k, buf_str(&record), &read),
            ERR_CORRUPT);
        record.at[i] ^= 1;
    }
    k.n_bytes--;
    assert_int_equal(listed_decode(RECORD_NOWHERE, k, buf_str(&record), &read),
                     ERR_CORRUPT);
    buf_reset(&record);
    row.events[1] = row.events[0]; // the same event twice
    row.n = 2;
    listed_encode(&row, &record);
    k.n_bytes++;
    assert_int_equal(listed_decode(RECORD_NOWHERE, k, buf_str(&record), &read),
                     ERR_CORRUPT);
    buf_clear(&record);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_events_of_a_block_share_a_row,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_walk_meets_every_row_once,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            test_the_list_begins_anew_behind_an_earlier_version, set_up,
            tear_down),
        cmocka_unit_test_setup_teardown(test_an_organization_is_erased_from_it,
                                        set_up, tear_down),
        cmocka_unit_test(test_damaged_records),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
