// SPDX-License-Identifier: MIT
// test_queue_room.c — a shard whose map gets full: its owner is told while attempts in
// flight can still be committed.

#define MAP_BYTES (UINT64_C(16) << 20) // four times as much for a shard

#include "queue/queue.h"
#include "queue/shard/inside.h"
#include "tests/support/queue_fixture.h"

#define LARGE_BYTES ((size_t)60 * 1024)
#define UNDER_WAY   2560 // as many attempts as can be in flight

static struct attempt attempt_with(struct str body)
{
    return (struct attempt){
        .hook_id = 1,
        .org_id = 7,
        .position = nth(1),
        .kind = STR("a.b"),
        .started_at_us = clock_now_us(),
        .attempt = 1,
        .state = DELIVERY_DELIVERED,
        .response_code = 200,
        .request_url = STR("http://x/"),
        .response_body = body,
    };
}

static void commit_attempts(struct fixture *f, size_t n, struct str body)
{
    struct attempt a = attempt_with(body);
    struct shard_batch *c = shard_batch_new();

    for (size_t i = 0; i < n; i++) {
        a.hook_id = i % 100; // spread over the indexes
        batch_attempt(c, &a);
    }
    commit(f, c);
    shard_batch_free(c);
}

// Commits large rows until the state of the room changes; returns how many.
static size_t fill_while(struct fixture *f, enum room room)
{
    char *large = xcalloc(1, LARGE_BYTES);
    struct str body = { large, LARGE_BYTES };
    size_t n = 0;

    while (shard_room(f->shard) == room) {
        assert_true(n < 4000);
        commit_attempts(f, 10, body);
        n += 10;
    }
    free(large);
    return n;
}

static void on_trimmed(void *data, bool has_more)
{
    *(bool *)data = has_more;
}

static void trim_all(struct fixture *f)
{
    const struct shard_retention keep = { .delivered_before_us = INT64_MAX,
                                          .max_bytes = UINT64_MAX };
    bool has_more = true;

    while (has_more) {
        assert_true(shard_trim(f->shard, &keep, 1000, on_trimmed, &has_more));
        uv_run(&f->loop, UV_RUN_DEFAULT);
    }
}

static void a_nearly_full_map_has_room_for_what_is_under_way(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(shard_room(f->shard), ROOM_PLENTY);
    assert_true(fill_while(f, ROOM_PLENTY) > 700);
    assert_int_equal(shard_room(f->shard), ROOM_NONE);
    for (size_t i = 0; i < UNDER_WAY; i += 512)
        commit_attempts(f, 512, STR("what came of it"));
}

static void free_pages_are_room_for_small_records(void **state)
{
    struct fixture *f = *state;

    fill_while(f, ROOM_PLENTY);
    trim_all(f);
    commit_attempts(f, 1, STR("x"));
    assert_int_equal(shard_room(f->shard), ROOM_TIGHT);
    for (size_t i = 0; i < 50; i++)
        commit_attempts(f, 512, STR("what came of it"));
    trim_all(f);
    assert_int_equal(shard_room(f->shard), ROOM_TIGHT);
}

static enum err commit_value(struct store *s, uint32_t key, size_t n_bytes)
{
    char *value = xcalloc(1, n_bytes);
    MDB_val k = val_at(&key, sizeof(key));
    MDB_val v = val_at(value, n_bytes);
    MDB_txn *txn;
    int rc;

    assert_int_equal(store_write(s, &txn), OK);
    rc = mdb_put(txn, s->dbs[SHARD_OUTBOX], &k, &v, 0);
    free(value);
    if (rc == 0)
        return store_commit(s, txn);
    mdb_txn_abort(txn);
    return store_err(s, rc, "put");
}

static void commit_removal(struct store *s, uint32_t n)
{
    MDB_txn *txn;

    assert_int_equal(store_write(s, &txn), OK);
    for (uint32_t i = 0; i < n; i++) {
        MDB_val k = val_at(&i, sizeof(i));

        assert_int_equal(mdb_del(txn, s->dbs[SHARD_OUTBOX], &k, NULL), 0);
    }
    assert_int_equal(store_commit(s, txn), OK);
}

static void what_one_commit_freed_can_be_used(void **state)
{
    struct fixture *f = *state;
    struct store *s = f->shard->store;
    size_t n = s->map_bytes / 10 * 9 / (LARGE_BYTES + 4096);
    size_t half = s->map_bytes / 2;

    for (uint32_t i = 0; i < n; i++)
        assert_int_equal(commit_value(s, i, LARGE_BYTES), OK);
    commit_removal(s, (uint32_t)n);
    // Nearly everything is free, and still half of it does not fit, however often it is
    // tried.
    for (int i = 0; i < 3; i++)
        assert_int_equal(commit_value(s, 0, half), ERR_FULL);
    assert_true(store_turn(s, s->dbs[SHARD_META]));
    assert_false(store_turn(s, s->dbs[SHARD_META])); // nothing was freed since
    assert_int_equal(commit_value(s, 0, half), OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            a_nearly_full_map_has_room_for_what_is_under_way, set_up,
            tear_down),
        cmocka_unit_test_setup_teardown(free_pages_are_room_for_small_records,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_one_commit_freed_can_be_used,
                                        set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
