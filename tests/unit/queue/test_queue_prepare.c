// SPDX-License-Identifier: MIT
// test_queue_prepare.c — making, checking and changing a data directory; what survives
// damage and kill -9. Every step runs in a process of its own, as in the engine:
// environments stay open until a process ends.

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "common/base/codec.h"
#include "tests/support/queue_fixture.h"

struct place {
    char dir[64];
    struct queue_config config;
};

static int make_place(void **state)
{
    struct place *p = xcalloc(1, sizeof(*p));

    snprintf(p->dir, sizeof(p->dir), "/tmp/posthorn-prepare-XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    p->config = (struct queue_config){ .data_dir = p->dir,
                                       .max_bytes = MAP_BYTES,
                                       .n_shards = 1 };
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
static int in_child(int (*step)(struct place *p, unsigned n), struct place *p,
                    unsigned n)
{
    pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0)
        _exit(step(p, n));
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 200;
}

static int prepare(struct place *p, unsigned n_shards)
{
    struct buf why;
    enum err err;

    buf_init(&why, 0);
    p->config.n_shards = n_shards;
    err = queue_prepare(&p->config, &why);
    if ((err != OK) != (why.n_bytes > 0))
        return 100; // an error without a reason, or a reason without an error
    return (int)err;
}

static void put_file(struct place *p, const char *name, const char *text)
{
    char *path = xasprintf("%s/%s", p->dir, name);
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    free(path);
}

static bool is_there(struct place *p, const char *name)
{
    char *path = xasprintf("%s/%s", p->dir, name);
    struct stat st;
    bool there = stat(path, &st) == 0;

    free(path);
    return there;
}

static void an_empty_directory_is_made_ours_and_stays_so(void **state)
{
    struct place *p = *state;

    assert_int_equal(in_child(prepare, p, 2), OK);
    assert_true(is_there(p, "FORMAT"));
    assert_true(is_there(p, "events/data.mdb"));
    assert_true(is_there(p, "hooks/data.mdb"));
    assert_true(is_there(p, "deliveries/1/data.mdb"));
    assert_int_equal(in_child(prepare, p, 2), OK);
}

static void a_foreign_directory_is_refused_and_left_alone(void **state)
{
    struct place *p = *state;

    put_file(p, "letter.txt", "dear");
    assert_int_equal(in_child(prepare, p, 1), ERR_INVALID);
    assert_false(is_there(p, "FORMAT"));
    assert_false(is_there(p, "events"));
}

static void another_format_is_refused(void **state)
{
    struct place *p = *state;

    put_file(p, "FORMAT", "posthorn 99\n");
    assert_int_equal(in_child(prepare, p, 1), ERR_INVALID);
    put_file(p, "FORMAT", "posthorn 1\n"); // never released
    assert_int_equal(in_child(prepare, p, 1), ERR_INVALID);
    put_file(p, "FORMAT", "something else\n");
    assert_int_equal(in_child(prepare, p, 1), ERR_INVALID);
    assert_false(is_there(p, "events"));
}

static void what_a_killed_first_start_left_is_replaced(void **state)
{
    struct place *p = *state;
    char *path = xasprintf("%s/events.tmp", p->dir);

    put_file(p, "FORMAT", "posthorn 4\n");
    assert_int_equal(mkdir(path, 0700), 0);
    put_file(p, "events.tmp/data.mdb", "half");
    free(path);
    assert_int_equal(in_child(prepare, p, 1), OK);
    assert_false(is_there(p, "events.tmp"));
    assert_true(is_there(p, "events/data.mdb"));
}

// --- changing the number of shards ---

#define N_HOOKS 50

static struct shard *open_shard(struct place *p, unsigned k, uv_loop_t *loop)
{
    struct shard *s = NULL;

    if (shard_open(&p->config, k, loop, &s) != OK)
        _exit(110);
    return s;
}

static void on_change(void *data, enum err err)
{
    *(enum err *)data = err;
}

static void apply(struct shard *s, struct shard_batch *c, uv_loop_t *loop)
{
    enum err result = ERR_AGAIN;

    shard_commit(s, c, on_change, &result);
    uv_run(loop, UV_RUN_DEFAULT);
    if (result != OK)
        _exit(111);
    shard_batch_reset(c);
}

// Each shard gets a due row, a dead letter and an attempt for each hook that
// it owns; shard k's cursor is at 100 + 10 k.
static int fill_shards(struct place *p, unsigned n_shards)
{
    struct shard_batch *c = shard_batch_new();
    uv_loop_t loop;

    p->config.n_shards = n_shards;
    uv_loop_init(&loop);
    for (unsigned k = 0; k < n_shards; k++) {
        struct shard *s = open_shard(p, k, &loop);

        for (uint64_t hook = 1; hook <= N_HOOKS; hook++) {
            struct due_row row = due(hook, 500, 7);
            struct dead_row dead = { .hook_id = hook, .position = nth(8) };
            struct attempt a = { .hook_id = hook,
                                 .position = nth(7),
                                 .kind = STR("a.b"),
                                 .state = DELIVERY_RETRYING,
                                 .started_at_us = (int64_t)hook };

            if (queue_shard_of(hook, n_shards) != k)
                continue;
            batch_due_put(c, &row);
            batch_dead_put(c, &dead);
            batch_attempt(c, &a);
            batch_count(c, COUNT_MATCHED, 3);
            batch_count(c, COUNT_DELIVERED, 1);
        }
        batch_cursor(c, nth(100 + 10 * k));
        apply(s, c, &loop);
    }
    shard_batch_free(c);
    return 0;
}

static bool count_attempt(void *data, uint64_t no, const struct attempt *a)
{
    (void)no;
    (void)a;
    (*(size_t *)data)++;
    return true;
}

static int check_hook(struct place *p, struct shard *s, unsigned k,
                      uint64_t hook)
{
    struct history_query query = { .owner_no = hook, .max_rows = 1000 };
    struct shard_view *view;
    struct due_query due_query = { .hook_id = hook, .until_ms = 1000 };
    struct due_row rows[4];
    struct dead_row dead;
    size_t n_attempts = 0;
    size_t n;

    if (shard_due_read(s, &due_query, rows, 4, &n) != OK || n != 1)
        return 2;
    if (shard_dead_get(s, hook, nth(8), &dead) != OK)
        return 3;
    if (shard_view_open(&p->config, k, &view) != OK ||
        history_scan(view, &query, count_attempt, &n_attempts) != OK ||
        n_attempts != 1)
        return 4;
    return 0;
}

// Checks that each row is in the shard that now owns its hook. The cursors of the three
// shards were 100, 110 and 120; events before a cursor count as matched.
static int check_moved(struct place *p, unsigned n_shards)
{
    uv_loop_t loop;
    int64_t matched = 0;

    p->config.n_shards = n_shards;
    uv_loop_init(&loop);
    for (unsigned k = 0; k < n_shards; k++) {
        struct shard *s = open_shard(p, k, &loop);
        struct shard_counts counts;

        if (position_cmp(shard_cursor(s), nth(100)) != 0)
            return 5;
        for (uint64_t hook = 1; hook <= N_HOOKS; hook++) {
            uint64_t passed = 100 + 10 * queue_shard_of(hook, 3);
            int rc = 0;

            if (queue_shard_of(hook, n_shards) == k)
                rc = check_hook(p, s, k, hook);
            if (rc != 0)
                return rc;
            if (!shard_was_matched(s, hook, nth(passed)) ||
                shard_was_matched(s, hook, nth(passed + 1)))
                return 6;
        }
        if (shard_counts(s, &counts) != OK)
            return 7;
        matched += counts.counts[COUNT_MATCHED];
    }
    return matched == INT64_C(3) * N_HOOKS ? 0 : 8;
}

static int verify(struct place *p, unsigned n_shards)
{
    struct queue_report report;

    p->config.n_shards = n_shards;
    if (queue_verify(&p->config, NULL, NULL, NULL, &report) != OK)
        return 20;
    // The due rows and dead letters are of events that this test did not append.
    return report.n_faults == 0 && report.n_missing == 120 &&
                   report.n_without == (uint64_t)2 * N_HOOKS &&
                   report.pending == N_HOOKS
               ? 0
               : 21;
}

static void
changing_shards_moves_all_rows_and_matches_nothing_twice(void **state)
{
    struct place *p = *state;

    assert_int_equal(in_child(prepare, p, 3), OK);
    assert_int_equal(in_child(fill_shards, p, 3), 0);
    assert_int_equal(in_child(prepare, p, 2), OK);
    assert_false(is_there(p, "deliveries/2"));
    assert_false(is_there(p, "deliveries.old"));
    assert_int_equal(in_child(check_moved, p, 2), 0);
    assert_int_equal(in_child(verify, p, 2), 0);
    // Changes the number again, before the shards have caught up after the first
    // change.
    assert_int_equal(in_child(prepare, p, 5), OK);
    assert_int_equal(in_child(check_moved, p, 5), 0);
    assert_int_equal(in_child(verify, p, 5), 0);
}

static void a_change_of_shards_that_was_killed_is_finished(void **state)
{
    struct place *p = *state;
    char *from = xasprintf("%s/deliveries", p->dir);
    char *to = xasprintf("%s/deliveries.old", p->dir);
    char *fresh = xasprintf("%s/deliveries.new", p->dir);

    assert_int_equal(in_child(prepare, p, 3), OK);
    assert_int_equal(in_child(fill_shards, p, 3), 0);
    assert_int_equal(in_child(prepare, p, 2), OK);
    // The state between the two renames of the swap.
    assert_int_equal(rename(from, fresh), 0);
    assert_int_equal(mkdir(to, 0700), 0);
    assert_int_equal(in_child(prepare, p, 2), OK);
    assert_int_equal(in_child(check_moved, p, 2), 0);
    assert_false(is_there(p, "deliveries.new"));
    assert_false(is_there(p, "deliveries.old"));
    free(from);
    free(to);
    free(fresh);
}

// --- damage ---

static int append_three(struct place *p, unsigned n)
{
    static char text[] = "\"find-me-1\"";
    struct fixture f = { .config = p->config };
    struct append a;

    (void)n;
    uv_loop_init(&f.loop);
    if (event_log_open(&p->config, &f.loop, &f.log) != OK)
        return 1;
    for (int i = 1; i <= 3; i++) {
        struct new_event e;

        text[9] = (char)('0' + i);
        e = event_of("a.b", text);
        if (append(&f, &e, 1, &a) != OK)
            return 2;
    }
    return 0;
}

static int scan_damaged(struct place *p, unsigned n)
{
    struct fixture f = { .config = p->config };
    struct event_scan query = { .max = 10 };
    struct seen seen = { 0 };
    struct queue_report report;

    (void)n;
    if (event_view_open(&p->config, &f.view) != OK ||
        event_view_scan(f.view, &query, on_event, &seen) != OK)
        return 1;
    if (query.n_damaged != 1 || seen.n != 2 ||
        position_cmp(query.last, nth(3)) != 0)
        return 2;
    if (queue_verify(&p->config, NULL, NULL, NULL, &report) != OK ||
        report.n_faults != 1)
        return 3;
    return 0;
}

// Changes a byte of every place in the file that holds `text`.
static size_t damage(struct place *p, const char *text)
{
    char *path = xasprintf("%s/events/data.mdb", p->dir);
    int fd = open(path, O_RDWR);
    struct stat st = { 0 };
    char *bytes;
    size_t n = 0;

    assert_true(fd >= 0 && fstat(fd, &st) == 0);
    bytes = xmalloc((size_t)st.st_size);
    assert_true(pread(fd, bytes, (size_t)st.st_size, 0) == st.st_size);
    for (off_t i = 0; i + (off_t)strlen(text) < st.st_size; i++) {
        if (memcmp(bytes + i, text, strlen(text)) == 0) {
            assert_int_equal(pwrite(fd, "X", 1, i + 2), 1);
            n++;
        }
    }
    free(bytes);
    free(path);
    close(fd);
    return n;
}

static void a_damaged_event_is_passed_over_and_reported(void **state)
{
    struct place *p = *state;

    assert_int_equal(in_child(prepare, p, 1), OK);
    assert_int_equal(in_child(append_three, p, 0), 0);
    assert_true(damage(p, "find-me-2") > 0);
    assert_int_equal(in_child(scan_damaged, p, 0), 0);
}

// --- kill -9 ---

#define ROUNDS 20

struct endless {
    struct append append;
    struct new_event event;
    struct event_log *log;
    int report; // a pipe: the number of each committed event
};

static void on_endless(struct append *a, enum err err)
{
    struct endless *e = a->data;
    uint64_t number = get_be64(e->event.event.position.bytes);

    if (err != OK || write(e->report, &number, sizeof(number)) != 8)
        _exit(1);
    e->event = event_of("a.b", "1");
    event_log_append(e->log, a);
}

static void write_until_killed(struct place *p, int report)
{
    struct endless *all = xcalloc(8, sizeof(*all));
    uv_loop_t loop;
    struct event_log *log;

    uv_loop_init(&loop);
    if (event_log_open(&p->config, &loop, &log) != OK)
        _exit(2);
    for (size_t i = 0; i < 8; i++) {
        all[i] = (struct endless){ .event = event_of("a.b", "1"),
                                   .log = log,
                                   .report = report };
        all[i].append = (struct append){ .events = &all[i].event,
                                         .n_events = 1,
                                         .done = on_endless,
                                         .data = &all[i] };
        event_log_append(log, &all[i].append);
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    _exit(3);
}

static int count_accepted(struct place *p, unsigned at_least)
{
    struct event_view *view;
    uint64_t n = 0;

    if (event_view_open(&p->config, &view) != OK ||
        event_view_accepted(view, &n) != OK)
        return 1;
    return n >= at_least ? 0 : 2;
}

static void what_was_acknowledged_survives_kill_9(void **state)
{
    struct place *p = *state;
    uint64_t highest = 0;

    assert_int_equal(in_child(prepare, p, 1), OK);
    for (unsigned round = 0; round < ROUNDS; round++) {
        int ends[2];
        uint64_t number;
        pid_t child;
        uint64_t stop_at = highest + 5 + (uint64_t)round * 7;

        assert_int_equal(pipe(ends), 0);
        child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            close(ends[0]);
            write_until_killed(p, ends[1]);
        }
        close(ends[1]);
        while (highest < stop_at && read(ends[0], &number, 8) == 8)
            highest = number > highest ? number : highest;
        assert_true(highest >= stop_at);
        kill(child, SIGKILL);
        while (read(ends[0], &number, 8) == 8)
            highest = number > highest ? number : highest;
        assert_int_equal(waitpid(child, NULL, 0), child);
        close(ends[0]);
        assert_int_equal(in_child(count_accepted, p, (unsigned)highest), 0);
    }
}

#define IN_PLACE(name) \
    cmocka_unit_test_setup_teardown(name, make_place, remove_place)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_PLACE(an_empty_directory_is_made_ours_and_stays_so),
        IN_PLACE(a_foreign_directory_is_refused_and_left_alone),
        IN_PLACE(another_format_is_refused),
        IN_PLACE(what_a_killed_first_start_left_is_replaced),
        IN_PLACE(changing_shards_moves_all_rows_and_matches_nothing_twice),
        IN_PLACE(a_change_of_shards_that_was_killed_is_finished),
        IN_PLACE(a_damaged_event_is_passed_over_and_reported),
        IN_PLACE(what_was_acknowledged_survives_kill_9),
    };

    return cmocka_run_group_tests_name("queue_prepare", tests, NULL, NULL);
}
