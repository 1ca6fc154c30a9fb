// SPDX-License-Identifier: MIT
// test_queue_copy.c — copying a data directory, and repairing one: everything committed is
// in the copy, damaged records are set aside, and the books balance. Every step runs in
// a process of its own: environments stay open until a process ends.

#include <sys/stat.h>
#include <sys/wait.h>

#include "queue/shard/inside.h"
#include "tests/support/queue_fixture.h"

#define N_DUE  5    // of hook 1, at 100, 200, …
#define N_MORE 2500 // enough records and pages for progress to be reported

enum way { WAY_BACKUP, WAY_REPAIR };

struct place {
    char dir[64];
    struct queue_config config; // of `dir`/from
    struct queue_config copy;   // of `dir`/to
};

static int make_place(void **state)
{
    struct place *p = xcalloc(1, sizeof(*p));

    snprintf(p->dir, sizeof(p->dir), "/tmp/posthorn-copy-XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    p->config = (struct queue_config){ .data_dir = xasprintf("%s/from", p->dir),
                                       .max_bytes = MAP_BYTES,
                                       .n_shards = 1 };
    p->copy = p->config;
    p->copy.data_dir = xasprintf("%s/to", p->dir);
    *state = p;
    return 0;
}

static int remove_place(void **state)
{
    struct place *p = *state;
    char *command = xasprintf("rm -rf %s", p->dir);

    // A test's own directory. NOLINTNEXTLINE(cert-env33-c)
    assert_int_equal(system(command), 0);
    free(command);
    free(p);
    return 0;
}

// Runs `step` in a child; the step's result is the exit status, 0 to 127.
static int in_child(int (*step)(struct place *p, int n), struct place *p, int n)
{
    pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0)
        _exit(step(p, n));
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 200;
}

static bool is_there(const struct place *p, const char *name)
{
    char *path = xasprintf("%s/%s", p->dir, name);
    struct stat st;
    bool there = stat(path, &st) == 0;

    free(path);
    return there;
}

// --- the data ---

static void say_all(struct shard_batch *c)
{
    const struct dead_row dead = { .hook_id = 1, .position = nth(6) };
    const struct hook_health health = { .n_failed = 3, .failing_since_ms = 77 };
    const struct replay replay = { .id = { { 9 } },
                                   .hook_id = 1,
                                   .org_id = 1,
                                   .state = REPLAY_RUNNING,
                                   .matched = 4 };
    const struct event own = { .id = { { 8 } },
                               .accepted_at_us = 5,
                               .dialect = DIALECT_PULUMI,
                               .kind = STR("posthorn.hook.failing"),
                               .org = STR("acme"),
                               .payload = STR("{}") };
    struct attempt a = { .hook_id = 1,
                         .position = nth(1),
                         .kind = STR("a.b"),
                         .state = DELIVERY_RETRYING,
                         .error = ERROR_TIMEOUT,
                         .attempt = 1,
                         .started_at_us = 1 };

    for (uint64_t n = 1; n <= N_DUE; n++) {
        struct due_row row = due(1, (int64_t)n * 100, n);

        batch_due_put(c, &row);
        a.position = nth(n);
        batch_attempt(c, &a);
    }
    batch_dead_put(c, &dead);
    batch_health(c, 1, &health);
    batch_replay_put(c, &replay);
    batch_outbox_put(c, &own);
    batch_count(c, COUNT_MATCHED, N_DUE + 1);
    batch_cursor(c, nth(N_DUE + 1));
}

// Makes events that deliveries need, and a shard with a row of each kind.
static int fill(struct place *p, int n)
{
    struct fixture f = { .config = p->config };
    struct shard_batch *c = shard_batch_new();
    struct buf why;

    (void)n;
    buf_init(&why, 0);
    uv_loop_init(&f.loop);
    if (queue_prepare(&f.config, &why) != OK ||
        event_log_open(&f.config, &f.loop, &f.log) != OK ||
        shard_open(&f.config, 0, &f.loop, &f.shard) != OK)
        return 1;
    for (size_t i = 0; i <= N_DUE; i++) {
        struct new_event event = event_of("a.b", "{\"x\":1}");
        struct append a;

        if (append(&f, &event, 1, &a) != OK)
            return 2;
    }
    say_all(c);
    commit(&f, c);
    return 0;
}

static int fill_more(struct place *p, int n)
{
    static const char body[1000];
    struct fixture f = { .config = p->config };
    struct shard_batch *c = shard_batch_new();
    const struct attempt a = { .hook_id = 2,
                               .position = nth(1),
                               .kind = STR("a.b"),
                               .state = DELIVERY_DELIVERED,
                               .response_code = 200,
                               .response_body = { body, sizeof(body) },
                               .attempt = 1,
                               .started_at_us = 1 };

    (void)n;
    uv_loop_init(&f.loop);
    if (shard_open(&f.config, 0, &f.loop, &f.shard) != OK)
        return 1;
    for (size_t i = 0; i < N_MORE; i++)
        batch_attempt(c, &a);
    commit(&f, c);
    return 0;
}

// Changes one byte of the row that is due at 200.
static int damage_a_row(struct place *p, int n)
{
    struct fixture f = { .config = p->config };
    const struct due_row row = due(1, 200, 2);
    uint8_t key[DUE_KEY_BYTES];
    uint8_t value[256];
    MDB_val k = val_at(key, sizeof(key));
    MDB_val v;
    MDB_txn *txn;

    (void)n;
    uv_loop_init(&f.loop);
    due_key(&row, key);
    if (shard_open(&f.config, 0, &f.loop, &f.shard) != OK ||
        store_write(f.shard->store, &txn) != OK ||
        mdb_get(txn, f.shard->store->dbs[SHARD_DUE], &k, &v) != 0 ||
        v.mv_size > sizeof(value))
        return 1;
    memcpy(value, v.mv_data, v.mv_size);
    value[1] ^= 1;
    v.mv_data = value;
    if (mdb_put(txn, f.shard->store->dbs[SHARD_DUE], &k, &v, 0) != 0)
        return 2;
    return (int)store_commit(f.shard->store, txn);
}

// Puts the row that is due at 200 in the place of the row that is due at 300.
static int exchange_rows(struct place *p, int n)
{
    struct fixture f = { .config = p->config };
    const struct due_row row = due(1, 200, 2);
    const struct due_row other = due(1, 300, 3);
    uint8_t key[DUE_KEY_BYTES];
    uint8_t value[256];
    MDB_val k = val_at(key, sizeof(key));
    MDB_val v;
    MDB_txn *txn;

    (void)n;
    uv_loop_init(&f.loop);
    due_key(&row, key);
    if (shard_open(&f.config, 0, &f.loop, &f.shard) != OK ||
        store_write(f.shard->store, &txn) != OK ||
        mdb_get(txn, f.shard->store->dbs[SHARD_DUE], &k, &v) != 0 ||
        v.mv_size > sizeof(value))
        return 1;
    memcpy(value, v.mv_data, v.mv_size);
    v.mv_data = value;
    due_key(&other, key);
    if (mdb_put(txn, f.shard->store->dbs[SHARD_DUE], &k, &v, 0) != 0)
        return 2;
    return (int)store_commit(f.shard->store, txn);
}

// --- copying ---

static bool end_at_once(void *data, uint64_t done, uint64_t total)
{
    (void)data;
    (void)done;
    (void)total;
    return false;
}

static enum err run(struct place *p, enum way way, queue_progress progress,
                    uint64_t *n_damaged)
{
    struct queue_copy_to to = { .parent = p->dir, .name = "to" };
    const struct queue_repair how = { .on_progress = progress };
    struct queue_copied copied = { 0 };
    struct queue_repaired repaired = { 0 };
    enum err err = queue_copy_begin(&to, p->config.data_dir);
    enum err end;

    if (err == OK && way == WAY_BACKUP)
        err = queue_copy(&p->config, &to, progress, NULL, &copied);
    if (err == OK && way == WAY_REPAIR)
        err = queue_repair(&p->config, &to, &how, &repaired);
    if (err == OK)
        err = queue_copy_finish(&to);
    end = queue_copy_end(&to);
    *n_damaged = way == WAY_BACKUP ? copied.n_damaged : repaired.n_damaged;
    return err == OK ? end : err;
}

static int copy_sound(struct place *p, int way)
{
    uint64_t n_damaged;
    enum err err = run(p, (enum way)way, NULL, &n_damaged);

    return err != OK ? (int)err : n_damaged == 0 ? 0 : 100;
}

static int copy_damaged(struct place *p, int way)
{
    uint64_t n_damaged;
    enum err err = run(p, (enum way)way, NULL, &n_damaged);

    return err != OK ? (int)err : n_damaged == 1 ? 0 : 100;
}

static int copy_ended(struct place *p, int way)
{
    uint64_t n_damaged;

    return (int)run(p, (enum way)way, end_at_once, &n_damaged);
}

// --- checking the copy ---

static void count_hook(void *data, uint64_t hook_id,
                       const struct hook_health *health)
{
    *(size_t *)data +=
        hook_id == 1 && health->n_failed == 3 && health->failing_since_ms == 77;
}

static bool count_replay(void *data, const struct replay *replay)
{
    *(size_t *)data += replay->hook_id == 1 && replay->matched == 4;
    return true;
}

static bool count_event(void *data, const struct event *event)
{
    *(size_t *)data += str_eq(event->kind, STR("posthorn.hook.failing"));
    return true;
}

static bool count_attempt(void *data, uint64_t no, const struct attempt *a)
{
    (void)no;
    *(size_t *)data += a->error == ERROR_TIMEOUT;
    return true;
}

// Whether the copy's shard has `n_due` due rows, and all other rows.
static int check_rows(struct place *p, int n_due)
{
    const struct due_query query = { .hook_id = 1, .until_ms = INT64_MAX };
    struct history_query history = { .owner_no = 1, .max_rows = 1000 };
    struct due_row rows[N_DUE + 1];
    struct shard_view *view;
    struct dead_row dead;
    struct shard *s;
    uv_loop_t loop;
    size_t n_others = 0;
    size_t n_attempts = 0;
    size_t n = 0;

    uv_loop_init(&loop);
    if (shard_open(&p->copy, 0, &loop, &s) != OK ||
        shard_view_open(&p->copy, 0, &view) != OK)
        return 1;
    if (shard_due_read(s, &query, rows, N_DUE + 1, &n) != OK ||
        n != (size_t)n_due || shard_dead_get(s, 1, nth(6), &dead) != OK)
        return 2;
    if (shard_health_each(s, count_hook, &n_others) != OK ||
        replays_each(view, NULL, count_replay, &n_others) != OK ||
        shard_outbox_read(s, 10, count_event, &n_others) != OK || n_others != 3)
        return 3;
    if (history_scan(view, &history, count_attempt, &n_attempts) != OK ||
        n_attempts != N_DUE)
        return 4;
    return position_cmp(shard_cursor(s), nth(N_DUE + 1)) == 0 ? 0 : 5;
}

static int check_books(struct place *p, int n_due)
{
    struct queue_report r;

    if (queue_verify(&p->copy, NULL, NULL, NULL, &r) != OK)
        return 1;
    if (r.n_faults != 0 || r.n_accepted != N_DUE + 1 || r.n_missing != 0)
        return 2;
    return r.matched == N_DUE + 1 && r.pending == n_due && r.dead == 1 &&
                   r.cancelled == N_DUE - n_due
               ? 0
               : 3;
}

static void all_is_in_the_copy(struct place *p, enum way way)
{
    assert_int_equal(in_child(fill, p, 0), 0);
    assert_int_equal(in_child(copy_sound, p, (int)way), 0);
    assert_false(is_there(p, "to/damaged.jsonl"));
    assert_int_equal(in_child(check_rows, p, N_DUE), 0);
    assert_int_equal(in_child(check_books, p, N_DUE), 0);
    // The source is unchanged.
    p->copy.data_dir = p->config.data_dir;
    assert_int_equal(in_child(check_rows, p, N_DUE), 0);
    assert_int_equal(in_child(check_books, p, N_DUE), 0);
}

static void one_row_is_set_aside(struct place *p, enum way way,
                                 int (*damage)(struct place *p, int n))
{
    assert_int_equal(in_child(fill, p, 0), 0);
    assert_int_equal(in_child(damage, p, 0), 0);
    assert_int_equal(in_child(copy_damaged, p, (int)way), 0);
    assert_true(is_there(p, "to/damaged.jsonl"));
    assert_int_equal(in_child(check_rows, p, N_DUE - 1), 0);
    assert_int_equal(in_child(check_books, p, N_DUE - 1), 0);
}

static void a_backup_holds_all_that_was_committed(void **state)
{
    all_is_in_the_copy(*state, WAY_BACKUP);
}

static void a_repair_of_a_sound_directory_loses_nothing(void **state)
{
    all_is_in_the_copy(*state, WAY_REPAIR);
}

static void a_backup_sets_a_damaged_row_aside_and_balances(void **state)
{
    one_row_is_set_aside(*state, WAY_BACKUP, damage_a_row);
}

static void a_repair_sets_a_damaged_row_aside_and_balances(void **state)
{
    one_row_is_set_aside(*state, WAY_REPAIR, damage_a_row);
}

static void a_row_in_the_place_of_another_is_damaged_for_a_backup(void **state)
{
    one_row_is_set_aside(*state, WAY_BACKUP, exchange_rows);
}

static void a_row_in_the_place_of_another_is_damaged_for_a_repair(void **state)
{
    one_row_is_set_aside(*state, WAY_REPAIR, exchange_rows);
}

static void what_is_ended_leaves_nothing(void **state)
{
    struct place *p = *state;

    assert_int_equal(in_child(fill, p, 0), 0);
    assert_int_equal(in_child(fill_more, p, 0), 0);
    for (int way = WAY_BACKUP; way <= WAY_REPAIR; way++) {
        assert_int_equal(in_child(copy_ended, p, way), ERR_AGAIN);
        assert_false(is_there(p, "to"));
    }
}

#define PLACE(name) \
    cmocka_unit_test_setup_teardown(name, make_place, remove_place)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PLACE(a_backup_holds_all_that_was_committed),
        PLACE(a_repair_of_a_sound_directory_loses_nothing),
        PLACE(a_backup_sets_a_damaged_row_aside_and_balances),
        PLACE(a_repair_sets_a_damaged_row_aside_and_balances),
        PLACE(a_row_in_the_place_of_another_is_damaged_for_a_backup),
        PLACE(a_row_in_the_place_of_another_is_damaged_for_a_repair),
        PLACE(what_is_ended_leaves_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
