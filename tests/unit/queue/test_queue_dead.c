// SPDX-License-Identifier: MIT
// test_queue_dead.c — dead letters: how they are read, and how they end.

#include "queue/queue.h"
#include "queue/shard/inside.h"
#include "tests/support/queue_fixture.h"

#define ORG (UINT64_C(1) << 63 | 7)

static void put_dead(struct shard_batch *c, uint64_t hook_id, uint64_t n)
{
    struct dead_row row = { .hook_id = hook_id,
                            .position = nth(n),
                            .dead_at_ms = 1,
                            .n_attempts = 3,
                            .queue_us = 44 };
    struct attempt a = {
        .hook_id = hook_id,
        .org_id = ORG,
        .position = nth(n),
        .kind = STR("a.b"),
        .started_at_us = clock_now_us(),
        .attempt = 3,
        .state = DELIVERY_DEAD,
        .error = ERROR_STATUS,
        .response_code = 500,
    };

    batch_dead_put(c, &row);
    batch_attempt(c, &a);
    batch_count(c, COUNT_MATCHED, 1);
}

// Cancels a dead letter as a dispatcher does.
static void cancel(struct shard_batch *c, uint64_t hook_id, uint64_t n)
{
    struct attempt a = {
        .hook_id = hook_id,
        .org_id = ORG,
        .position = nth(n),
        .kind = STR("a.b"),
        .started_at_us = clock_now_us(),
        .attempt = 3,
        .state = DELIVERY_CANCELLED,
        .error_message = STR("discarded by somebody"),
    };

    assert_true(attempt_is_end(&a));
    batch_dead_del(c, hook_id, nth(n));
    batch_count(c, COUNT_CANCELLED, 1);
    batch_attempt(c, &a);
}

static size_t read_after(struct fixture *f, uint64_t hook_id, uint64_t n,
                         struct dead_row *rows, size_t max)
{
    size_t n_rows = 99;

    assert_int_equal(
        shard_dead_read(f->shard, hook_id, nth(n), rows, max, &n_rows), OK);
    return n_rows;
}

static void assert_balanced(struct fixture *f)
{
    struct shard_counts c;

    assert_int_equal(shard_counts(f->shard, &c), OK);
    assert_int_equal(c.counts[COUNT_MATCHED],
                     c.counts[COUNT_DELIVERED] + c.counts[COUNT_CANCELLED] +
                         c.counts[COUNT_DEAD_EXPIRED] + (int64_t)c.n_dead +
                         (int64_t)c.n_due);
}

static void dead_letters_are_read_by_hook_and_event(void **state)
{
    struct fixture *f = *state;
    struct shard_batch *c = shard_batch_new();
    struct dead_row rows[8];

    put_dead(c, 2, 9);
    put_dead(c, 1, 300);
    put_dead(c, 1, 5);
    put_dead(c, 7, 1);
    assert_int_equal(read_after(f, 0, 0, rows, 8), 0); // committed ones only
    commit(f, c);
    assert_int_equal(read_after(f, 0, 0, rows, 8), 4);
    assert_int_equal(rows[0].hook_id, 1);
    assert_int_equal(position_cmp(rows[0].position, nth(5)), 0);
    assert_int_equal(rows[0].n_attempts, 3);
    assert_int_equal(rows[0].queue_us, 44);
    assert_int_equal(position_cmp(rows[1].position, nth(300)), 0);
    assert_int_equal(rows[2].hook_id, 2);
    assert_int_equal(rows[3].hook_id, 7);
    // After a row that exists, after one that does not, after all rows of a hook.
    assert_int_equal(read_after(f, 1, 5, rows, 1), 1);
    assert_int_equal(position_cmp(rows[0].position, nth(300)), 0);
    assert_int_equal(read_after(f, 1, 4, rows, 2), 2);
    assert_int_equal(position_cmp(rows[0].position, nth(5)), 0);
    assert_int_equal(read_after(f, 1, UINT64_MAX, rows, 8), 2);
    assert_int_equal(rows[0].hook_id, 2);
    assert_int_equal(read_after(f, 7, 1, rows, 8), 0);
    shard_batch_free(c);
}

static bool count_row(void *data, uint64_t no, const struct attempt *a)
{
    size_t *n = data;

    (void)no;
    (void)a;
    (*n)++;
    return true;
}

static size_t count_state(struct shard_view *view, enum delivery_state wanted)
{
    struct history_filter filter = history_all;
    struct history_query query = { .owner_no = ORG,
                                   .filter = &filter,
                                   .max_rows = 1000 };
    size_t n = 0;

    filter.states = 1U << wanted;
    assert_int_equal(history_scan(view, &query, count_row, &n), OK);
    return n;
}

static void one_that_is_cancelled_is_dead_in_no_list(void **state)
{
    struct fixture *f = *state;
    struct shard_batch *c = shard_batch_new();
    struct shard_view *view;
    struct shard_counts counts;
    bool is_needed = false;

    for (uint64_t n = 64; n < 68; n++) // one block of events that are needed
        put_dead(c, 1, n);
    commit(f, c);
    assert_int_equal(shard_view_open(&f->config, 0, &view), OK);
    assert_int_equal(count_state(view, DELIVERY_DEAD), 4);
    for (uint64_t n = 64; n < 68; n++) {
        assert_int_equal(shard_view_needs(view, 1, &is_needed), OK);
        assert_true(is_needed);
        cancel(c, 1, n);
        commit(f, c);
        assert_balanced(f);
        assert_int_equal(count_state(view, DELIVERY_DEAD), 67 - n);
        assert_int_equal(count_state(view, DELIVERY_CANCELLED), n - 63);
    }
    assert_int_equal(shard_view_needs(view, 1, &is_needed), OK);
    assert_false(is_needed);
    assert_int_equal(shard_view_counts(view, &counts), OK);
    assert_int_equal(counts.n_dead, 0);
    assert_int_equal(counts.counts[COUNT_CANCELLED], 4);
    shard_batch_free(c);
}

static void ignore_trim(void *data, bool has_more)
{
    (void)data;
    (void)has_more;
}

static void one_that_retention_took_first_is_counted_once(void **state)
{
    const struct shard_retention keep = { .delivered_before_us = 0,
                                          .dead_before_us = 5000,
                                          .max_bytes = UINT64_MAX };
    struct fixture *f = *state;
    struct shard_batch *c = shard_batch_new();
    struct shard_counts counts;

    put_dead(c, 1, 1);
    commit(f, c);
    assert_true(shard_trim(f->shard, &keep, 100, ignore_trim, NULL));
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(shard_counts(f->shard, &counts), OK);
    assert_int_equal(counts.counts[COUNT_DEAD_EXPIRED], 1);
    cancel(c, 1, 1); // which was read before
    commit(f, c);
    assert_balanced(f);
    assert_int_equal(shard_counts(f->shard, &counts), OK);
    assert_int_equal(counts.counts[COUNT_DEAD_EXPIRED], 0);
    assert_int_equal(counts.counts[COUNT_CANCELLED], 1);
    shard_batch_free(c);
}

static void a_damaged_one_can_be_cleared(void **state)
{
    struct fixture *f = *state;
    struct shard_batch *c = shard_batch_new();
    struct store *store = f->shard->store;
    uint8_t bytes[DEAD_KEY_BYTES] = { 0 };
    MDB_val key = val_at(bytes, sizeof(bytes));
    char noise[] = "noise";
    MDB_val val = val_at(noise, sizeof(noise));
    struct dead_row rows[8];
    struct shard_counts counts;
    MDB_txn *txn;

    put_dead(c, 1, 1);
    put_dead(c, 1, 2);
    commit(f, c);
    dead_key(1, nth(1), bytes);
    assert_int_equal(store_write(store, &txn), OK);
    assert_int_equal(mdb_put(txn, store->dbs[SHARD_DEAD], &key, &val, 0), 0);
    assert_int_equal(store_commit(store, txn), OK);
    assert_int_equal(read_after(f, 1, 0, rows, 8), 2);
    assert_int_equal(rows[0].hook_id, 1);
    assert_int_equal(position_cmp(rows[0].position, nth(1)), 0);
    assert_int_equal(rows[1].n_attempts, 3);
    cancel(c, rows[0].hook_id, 1);
    commit(f, c);
    assert_balanced(f);
    assert_int_equal(shard_counts(f->shard, &counts), OK);
    assert_int_equal(counts.n_dead, 1);
    shard_batch_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(dead_letters_are_read_by_hook_and_event),
        EACH(one_that_is_cancelled_is_dead_in_no_list),
        EACH(one_that_retention_took_first_is_counted_once),
        EACH(a_damaged_one_can_be_cleared),
    };

    return cmocka_run_group_tests_name("queue_dead", tests, NULL, NULL);
}
