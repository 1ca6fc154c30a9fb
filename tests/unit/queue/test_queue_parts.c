// SPDX-License-Identifier: MIT
// test_queue_parts.c — several organizations post to the event log: what goes into which
// commit, in which order, and a large post that is stored in parts.

#include <sys/mman.h>
#include <sys/wait.h>

#include "queue/event_log/inside.h"
#include "tests/support/queue_fixture.h"

#define N_LARGE ((size_t)3 * PART_WEIGHT - 50) // events: three parts at least
#define N_LONG  ((size_t)6 * PART_WEIGHT - 50)
#define N_SMALL 20
#define N_POSTS ((size_t)4 * PART_WEIGHT)

// A post of a test, and how it ended.
struct post {
    struct append append;
    struct new_event *events;
    enum err err;
    unsigned nth; // in the order in which posts ended; 0: it has not
};

static unsigned n_ended;

static void on_ended(struct append *a, enum err err)
{
    struct post *p = a->data;

    assert_int_equal(p->nth, 0);
    p->err = err;
    p->nth = ++n_ended;
}

static void make(struct post *p, const char *org, const char *payload, size_t n)
{
    *p = (struct post){ .events = xcalloc(n, sizeof(*p->events)) };
    for (size_t i = 0; i < n; i++) {
        p->events[i] = event_of("a.b", payload);
        p->events[i].event.org = str_of(org);
    }
    p->append = (struct append){
        .events = p->events, .n_events = n, .done = on_ended, .data = p
    };
}

static void post(struct fixture *f, struct post *p, const char *org,
                 const char *payload, size_t n)
{
    make(p, org, payload, n);
    event_log_append(f->log, &p->append);
}

// Gives each event an idempotency key, which starts with a letter.
static void give_keys(struct post *p, char letter)
{
    for (size_t i = 0; i < p->append.n_events; i++) {
        p->events[i].idempotency =
            str_of(xasprintf("%c%zu", letter, i)); // until the process ends
    }
}

static uint64_t first_of(const struct post *p)
{
    return position_number(p->events[0].event.position);
}

static uint64_t last_of(const struct post *p)
{
    return position_number(p->events[p->append.n_events - 1].event.position);
}

static bool count_org(void *data, const struct event *e)
{
    size_t *n = data; // of "one", and of others

    n[!str_eq(e->org, STR("one"))]++;
    return true;
}

static bool count(struct event_view *view, size_t n[2])
{
    struct event_scan query = { .max = SIZE_MAX };

    n[0] = n[1] = 0;
    return event_view_scan(view, &query, count_org, n) == OK &&
           query.n_damaged == 0;
}

static uint64_t accepted(const struct fixture *f)
{
    uint64_t n;

    return event_view_accepted(f->view, &n) == OK ? n : UINT64_MAX;
}

// --- who goes first ---

static void alone_a_large_post_is_one_commit(void **state)
{
    struct fixture *f = *state;
    struct post small;
    struct post large;

    post(f, &small, "one", "1", 1);
    post(f, &large, "one", "1", N_LARGE);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(large.err, OK);
    assert_int_equal(first_of(&large), 2);
    assert_int_equal(last_of(&large), N_LARGE + 1);
    assert_int_equal(position_number(event_log_end(f->log)), N_LARGE + 1);
}

// Posts small ones of another organization, one after the other has ended, until the
// large one ends.
static void others_go_between_the_parts(void **state)
{
    struct fixture *f = *state;
    struct post small[100];
    struct post large;
    bool was_partly_visible = false;
    size_t n[2];
    size_t k = 0;

    post(f, &small[0], "two", "1", 1);
    post(f, &large, "one", "1", N_LONG);
    for (; large.nth == 0; uv_run(&f->loop, UV_RUN_ONCE)) {
        if (small[k].nth != 0) {
            assert_int_equal(small[k].err, OK);
            assert_true(++k < 100);
            post(f, &small[k], "two", "1", 1);
        }
        assert_true(count(f->view, n));
        // There are four parts at least, and one of the others before each.
        assert_true(n[0] == 0 || k >= 4);
        was_partly_visible = was_partly_visible || (n[0] > 0 && n[0] < N_LONG);
    }
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(large.err, OK);
    assert_true(was_partly_visible);
    assert_true(first_of(&small[3]) < first_of(&large));
    assert_true(first_of(&large) < first_of(&small[k - 1]));
    assert_true(first_of(&small[k - 1]) < last_of(&large));
    for (size_t i = 1; i < N_LONG; i++) { // in their order
        assert_true(position_cmp(large.events[i - 1].event.position,
                                 large.events[i].event.position) < 0);
    }
    assert_true(count(f->view, n));
    assert_int_equal(n[0], N_LONG);
    assert_int_equal(n[1], k + 1);
    assert_int_equal(accepted(f), N_LONG + k + 1);
}

static void posts_of_one_organization_keep_their_order(void **state)
{
    struct fixture *f = *state;
    struct post other;
    struct post before;
    struct post large;
    struct post after;

    post(f, &other, "two", "1", 1);
    post(f, &before, "one", "1", 1);
    post(f, &large, "one", "1", N_LARGE);
    post(f, &after, "one", "1", 1);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(before.err + large.err + after.err, OK);
    assert_true(first_of(&before) < first_of(&large));
    assert_true(last_of(&large) < first_of(&after));
    assert_true(large.nth < after.nth);
}

static void large_posts_take_turns_between_organizations(void **state)
{
    struct fixture *f = *state;
    struct post p[5];
    static const char *const orgs[] = { "one", "one", "one", "two", "three" };

    for (size_t i = 0; i < 5; i++)
        post(f, &p[i], orgs[i], "1", N_LARGE / 2);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(p[i].err, OK);
    assert_true(p[0].nth < p[1].nth && p[1].nth < p[3].nth);
    assert_true(p[3].nth < p[2].nth && p[4].nth < p[2].nth);
    assert_int_equal(accepted(f), 5 * N_LARGE / 2);
}

// Many small posts of one organization are before one of another one.
static void a_commit_takes_a_share_of_each_organization(void **state)
{
    struct fixture *f = *state;
    struct post *many = xcalloc(N_POSTS, sizeof(*many));
    struct post first;
    struct post last;

    post(f, &first, "two", "1", 1); // its commit runs while the others come
    for (size_t i = 0; i < N_POSTS; i++)
        post(f, &many[i], "one", "1", 1);
    post(f, &last, "two", "1", 1);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(last.err, OK);
    assert_int_equal(first_of(&last), 1 + PART_WEIGHT + 1);
    for (size_t i = 0; i < N_POSTS; i++) {
        assert_int_equal(many[i].err, OK);
        assert_int_equal(first_of(&many[i]), i + 2 + (i >= PART_WEIGHT));
    }
    free(many);
}

// --- what fails ---

static void a_conflict_in_the_last_part_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    struct post stored;
    struct post other;
    struct post large;
    struct post again;
    size_t n[2];

    make(&stored, "one", "1", 1);
    stored.events[0].idempotency = str_of(xasprintf("k%zu", N_LARGE - 1));
    event_log_append(f->log, &stored.append);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    post(f, &other, "two", "1", 1);
    make(&large, "one", "2", N_LARGE);
    give_keys(&large, 'k');
    event_log_append(f->log, &large.append);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(large.err, ERR_CONFLICT);
    assert_int_equal(large.append.fault, N_LARGE - 1);
    assert_true(count(f->view, n));
    assert_int_equal(n[0], 1);
    assert_int_equal(accepted(f), 2);

    // The keys are free: with other contents there is no conflict.
    make(&again, "one", "3", N_LARGE - 1);
    give_keys(&again, 'k');
    event_log_append(f->log, &again.append);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(again.err, OK);
    assert_true(again.events[0].was_stored);
    assert_int_equal(accepted(f), 2 + N_LARGE - 1);
}

static void repetitions_across_parts_are_stored_once(void **state)
{
    struct fixture *f = *state;
    struct post other;
    struct post large;
    struct post same;
    size_t n[2];

    post(f, &other, "two", "1", 1);
    make(&large, "one", "1", N_LARGE);
    give_keys(&large, 'k');
    large.events[N_LARGE - 1].idempotency = STR("k0");
    event_log_append(f->log, &large.append);
    make(&same, "one", "1", N_LARGE);
    give_keys(&same, 'k');
    same.append.n_events--;
    event_log_append(f->log, &same.append);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(large.err, OK);
    assert_int_equal(same.err, OK);
    assert_false(large.events[N_LARGE - 1].was_stored);
    assert_true(
        id_eq(&large.events[N_LARGE - 1].event.id, &large.events[0].event.id));
    for (size_t i = 0; i < N_LARGE - 1; i++) {
        assert_true(large.events[i].was_stored);
        assert_false(same.events[i].was_stored);
        assert_true(id_eq(&large.events[i].event.id, &same.events[i].event.id));
    }
    assert_true(count(f->view, n));
    assert_int_equal(n[0], N_LARGE - 1);
    assert_int_equal(accepted(f), N_LARGE);
}

static void a_full_map_in_the_middle_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    size_t n_bytes = 1 << 20;
    char *payload = xcalloc(1, n_bytes + 1);
    struct post small;
    struct post large;
    struct post after;
    size_t n[2];

    memset(payload, '1', n_bytes);
    post(f, &small, "two", "1", 1);
    post(f, &large, "one", payload, 100); // more than the map
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(small.err, OK);
    assert_int_equal(large.err, ERR_FULL);
    assert_true(count(f->view, n));
    assert_int_equal(n[0], 0);
    for (int i = 0; i < 2; i++) { // a second later
        trim_before(f, 0, UINT64_MAX);
        uv_run(&f->loop, UV_RUN_DEFAULT);
    }
    assert_false(parts_are_open(&f->log->parts));
    post(f, &after, "one", payload, 20); // there is room again
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(after.err, OK);
    assert_int_equal(accepted(f), 21);
    free(payload);
}

// --- kill -9 ---

// What a child tells before it ends.
struct told {
    unsigned n_small; // acknowledged
    bool is_large;    // acknowledged
};

// In a child, which cmocka's asserts would not end.
#define CHECK(is_true)                                            \
    do {                                                          \
        if (!(is_true)) {                                         \
            fprintf(stderr, "line %d: %s\n", __LINE__, #is_true); \
            _exit(1);                                             \
        }                                                         \
    } while (false)

static void open_log(struct fixture *f)
{
    struct buf why;

    buf_init(&why, 0);
    CHECK(queue_prepare(&f->config, &why) == OK);
    uv_loop_init(&f->loop);
    CHECK(event_log_open(&f->config, &f->loop, &f->log) == OK);
    CHECK(event_view_open(&f->config, &f->view) == OK);
}

// Ends after some turns of the loop, wherever the worker is.
static void store_and_die(struct fixture *f, unsigned n_turns,
                          struct told *told)
{
    struct post small[N_SMALL];
    struct post large;
    size_t k = 0;

    open_log(f);
    post(f, &small[0], "two", "1", 1);
    make(&large, "one", "1", N_LARGE);
    give_keys(&large, 'k');
    event_log_append(f->log, &large.append);
    for (unsigned i = 0; i < n_turns && k < N_SMALL - 1; i++) {
        uv_run(&f->loop, UV_RUN_ONCE);
        told->is_large = large.nth != 0;
        if (small[k].nth != 0) {
            told->n_small++;
            post(f, &small[++k], "two", "1", 1);
        }
    }
    _exit(0);
}

// The same post is then stored whole, once.
static void check_again(struct fixture *f, bool was_there)
{
    struct queue_report report;
    struct post again;
    size_t n[2] = { 0, 0 };

    make(&again, "one", "1", N_LARGE);
    give_keys(&again, 'k');
    event_log_append(f->log, &again.append);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    CHECK(again.nth != 0 && again.err == OK);
    for (size_t i = 0; i < N_LARGE; i++)
        CHECK(again.events[i].was_stored != was_there);
    CHECK(count(f->view, n) && n[0] == N_LARGE);
    CHECK(!parts_are_open(&f->log->parts));
    CHECK(queue_verify(&f->config, NULL, NULL, NULL, &report) == OK);
    CHECK(report.n_faults == 0 && report.n_accepted == n[0] + n[1]);
}

// What is there after the kill.
static void check_after(struct fixture *f, const struct told *told)
{
    size_t n[2] = { 0, 0 };
    bool was_there;

    open_log(f);
    CHECK(count(f->view, n));
    was_there = n[0] == N_LARGE;
    CHECK(was_there || (n[0] == 0 && !told->is_large));
    CHECK(n[1] >= told->n_small && n[1] <= told->n_small + 1);
    CHECK(accepted(f) == n[0] + n[1]);
    check_again(f, was_there);
    _exit(0);
}

enum way { WAY_START, WAY_BACKUP, WAY_REPAIR };

static void copy(struct fixture *f, enum way way)
{
    struct queue_copy_to to = { .parent = f->dir, .name = "to" };
    const struct queue_repair how = { .on_progress = NULL };
    struct queue_copied copied = { 0 };
    struct queue_repaired repaired = { 0 };

    CHECK(queue_copy_begin(&to, f->config.data_dir) == OK);
    CHECK((way == WAY_BACKUP
               ? queue_copy(&f->config, &to, NULL, NULL, &copied)
               : queue_repair(&f->config, &to, &how, &repaired)) == OK);
    CHECK(copied.n_damaged + repaired.n_damaged == 0);
    CHECK(queue_copy_finish(&to) == OK);
    CHECK(queue_copy_end(&to) == OK);
    _exit(0);
}

enum step { STEP_STORE, STEP_COPY, STEP_CHECK };

static void in_child(struct fixture *f, enum step step, unsigned n,
                     struct told *told)
{
    pid_t child = fork();
    int status = -1;

    if (child == 0 && step == STEP_STORE)
        store_and_die(f, n, told);
    if (child == 0 && step == STEP_COPY)
        copy(f, (enum way)n);
    if (child == 0)
        check_after(f, told);
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

// True: the large post was acknowledged before the kill.
static bool kill_after(unsigned n_turns, enum way way, struct told *told)
{
    struct fixture f = { .config = { .max_bytes = MAP_BYTES, .n_shards = 1 } };
    char *from;
    char *to;
    char *command;

    snprintf(f.dir, sizeof(f.dir), "/tmp/posthorn-queue-XXXXXX");
    assert_non_null(mkdtemp(f.dir));
    from = xasprintf("%s/from", f.dir);
    to = xasprintf("%s/to", f.dir);
    f.config.data_dir = from;
    *told = (struct told){ .n_small = 0 };
    in_child(&f, STEP_STORE, n_turns, told);
    if (way != WAY_START) {
        in_child(&f, STEP_COPY, (unsigned)way, told);
        f.config.data_dir = to;
    }
    in_child(&f, STEP_CHECK, 0, told);
    command = xasprintf("rm -rf %s", f.dir);
    // A test's own directory. NOLINTNEXTLINE(cert-env33-c)
    assert_int_equal(system(command), 0);
    free(command);
    free(from);
    free(to);
    return told->is_large;
}

static void a_kill_leaves_all_of_a_post_or_nothing(void **state)
{
    struct told *told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE,
                             MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    unsigned n_turns = 0;

    (void)state;
    assert_ptr_not_equal(told, MAP_FAILED);
    // Few of them: under ThreadSanitizer each child takes a second to end.
    while (!kill_after(n_turns, WAY_START, told) && n_turns < 100)
        n_turns += 3;
    assert_in_range(n_turns, 6, 99); // there were kills in each phase
    for (unsigned i = 2; i < n_turns; i += 6) {
        kill_after(i, WAY_BACKUP, told);
        kill_after(i, WAY_REPAIR, told);
    }
    munmap(told, sizeof(*told));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_kill_leaves_all_of_a_post_or_nothing),
        EACH(alone_a_large_post_is_one_commit),
        EACH(others_go_between_the_parts),
        EACH(posts_of_one_organization_keep_their_order),
        EACH(large_posts_take_turns_between_organizations),
        EACH(a_commit_takes_a_share_of_each_organization),
        EACH(a_conflict_in_the_last_part_leaves_nothing),
        EACH(repetitions_across_parts_are_stored_once),
        EACH(a_full_map_in_the_middle_leaves_nothing),
    };

    return cmocka_run_group_tests_name("queue_parts", tests, NULL, NULL);
}
