// SPDX-License-Identifier: MIT
// test_queue_backlog.c — what waits for each hook: counted once, then kept up to date.

#include "common/base/codec.h"
#include "queue/queue.h"
#include "queue/records/schema.h"
#include "tests/support/queue_fixture.h"

#define HOOKS 400

struct sums {
    struct backlog at[HOOKS];
    enum err err;
    size_t n_visits;
};

static void on_sum(void *data, uint64_t hook_id, const struct backlog *b)
{
    struct sums *s = data;

    assert_true(hook_id < HOOKS);
    s->n_visits++;
    s->at[hook_id].n_rows += b->n_rows;
    s->at[hook_id].n_bytes += b->n_bytes;
}

static void on_counted(void *data, enum err err)
{
    struct sums *s = data;

    s->err = err;
}

static struct sums counted(struct fixture *f)
{
    struct sums s = { .err = ERR_AGAIN };

    assert_int_equal(shard_backlog_count(f->shard, on_sum, on_counted, &s), OK);
    assert_int_equal(s.err, ERR_AGAIN); // never before it returns
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(s.err, OK);
    return s;
}

static struct due_row of_bytes(uint64_t hook_id, uint64_t n, uint32_t n_bytes)
{
    struct due_row row = due(hook_id, 100, n);

    row.payload_bytes = n_bytes;
    return row;
}

static void assert_same(const struct sums *a, const struct sums *b)
{
    for (size_t i = 0; i < HOOKS; i++) {
        assert_int_equal(a->at[i].n_rows, b->at[i].n_rows);
        assert_int_equal(a->at[i].n_bytes, b->at[i].n_bytes);
    }
}

static void what_commits_move_adds_up_to_what_is_counted(void **state)
{
    struct fixture *f = *state;
    struct shard_batch *c = shard_batch_new();
    struct sums sums = { .err = OK };
    struct due_row row;
    struct sums now;

    for (uint64_t n = 1; n <= 3000; n++) {
        row = of_bytes(1 + n % (HOOKS - 1), n, (uint32_t)(n % 700));
        batch_due_put(c, &row);
        if (n % 3 == 0)
            batch_due_put(c, &row); // the same once more
        if (n % 4 == 0) {           // another size, as of a record from before
            row.payload_bytes = 7;
            batch_due_put(c, &row);
        }
        if (n % 5 == 0)
            batch_due_del(c, &row);
        row = of_bytes(1 + n % (HOOKS - 1), n / 2 + 1, 0);
        if (n % 7 == 0)
            batch_due_del(c, &row); // there or not
        if (n % 100 == 0) {
            commit(f, c);
            shard_backlog_moved(f->shard, on_sum, &sums);
        }
    }
    now = counted(f);
    assert_same(&sums, &now);
    assert_true(now.at[5].n_rows > 0 && now.at[5].n_bytes > 0);
    // A commit that changes no counts reports nothing.
    batch_count(c, COUNT_CANCELLED, 1);
    commit(f, c);
    sums.n_visits = 0;
    shard_backlog_moved(f->shard, on_sum, &sums);
    assert_int_equal(sums.n_visits, 0);
    shard_batch_free(c);
}

static void what_moves_while_it_is_counted_is_not_counted_twice(void **state)
{
    struct fixture *f = *state;
    struct shard_batch *c = shard_batch_new();
    struct sums s = { .err = ERR_AGAIN };
    struct due_row row = of_bytes(1, 1, 10);
    enum err committed = ERR_AGAIN;

    batch_due_put(c, &row);
    commit(f, c);
    // Both run now, in whatever order.
    assert_int_equal(shard_backlog_count(f->shard, on_sum, on_counted, &s), OK);
    row = of_bytes(1, 2, 100);
    batch_due_put(c, &row);
    row = of_bytes(1, 1, 10);
    batch_due_del(c, &row);
    shard_commit(f->shard, c, on_committed, &committed);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(s.err, OK);
    assert_int_equal(committed, OK);
    assert_int_equal(s.at[1].n_bytes, 10); // as it was when it was asked for
    shard_backlog_moved(f->shard, on_sum, &s);
    assert_int_equal(s.at[1].n_rows, 1);
    assert_int_equal(s.at[1].n_bytes, 100);
    shard_batch_free(c);
}

// Rows of an earlier version do not say how large their event's payload is.
static void old_rows_are_read_and_count_as_rows(void **state)
{
    struct due_row row = of_bytes(3, 4, 99);
    struct due_row back;
    uint8_t key[DUE_KEY_BYTES];
    struct buf old;
    size_t start;

    (void)state;
    buf_init(&old, 0);
    due_key(&row, key);
    start = record_begin(&old, 1);
    pack_u64(&old, 2); // attempts
    pack_u64(&old, 1); // crashes
    pack_i64(&old, 55);
    pack_i64(&old, 0);
    pack_u64(&old, 7); // ordering_key
    pack_u64(&old, 0);
    pack_u64(&old, 0);
    record_end(&old, start);
    assert_int_equal(due_decode(RECORD_NOWHERE,
                                (struct str){ (const char *)key, sizeof(key) },
                                buf_str(&old), &back),
                     OK);
    assert_int_equal(back.n_attempts, 2);
    assert_int_equal(back.ordering_key, 7);
    assert_int_equal(back.payload_bytes, 0);
    buf_reset(&old);
    due_encode(&row, key, &old);
    assert_int_equal(due_decode(RECORD_NOWHERE,
                                (struct str){ (const char *)key, sizeof(key) },
                                buf_str(&old), &back),
                     OK);
    assert_int_equal(back.payload_bytes, 99);
    buf_clear(&old);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(what_commits_move_adds_up_to_what_is_counted),
        EACH(what_moves_while_it_is_counted_is_not_counted_twice),
        cmocka_unit_test(old_rows_are_read_and_count_as_rows),
    };

    return cmocka_run_group_tests_name("queue backlog", tests, NULL, NULL);
}
