// SPDX-License-Identifier: MIT
// test_journal_lmdb.c — the contract of journals on LMDB, with several processes, a full
// map, and a clock that begins anew.
//
// JOURNAL_LMDB_SEEDS=N tries N seeds.

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "queue/journal/journal_lmdb.h"
#include "queue/journal/journal_open.h"
#include "tests/support/journal_contract.h"
#include "tests/support/unit.h"

#define SEEDS       12
#define MAP_BYTES   (UINT64_C(256) << 20)
#define SMALL_BYTES (UINT64_C(16) << 20)
#define BEFORE_KILL 15 // entries that the one that is killed had acknowledged
#define AFTER_KILL  15
#define ENTRY_BYTES 300
#define WAIT_MS     10000

struct fixture {
    char dir[64];
    int64_t now_ms;
    struct journal_lmdb_clock clock;
    struct journal_lmdb_config config;
};

static int64_t fixture_now(void *data)
{
    const struct fixture *f = data;

    return f->now_ms;
}

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));

    strcpy(f->dir, "/tmp/posthorn-journal-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    strcat(f->dir, "/j"); // is made by the first who opens it
    f->now_ms = 1000;
    f->clock = (struct journal_lmdb_clock){ .now_ms = fixture_now,
                                            .data = f,
                                            .boot_id = "first" };
    f->config = (struct journal_lmdb_config){ .dir = f->dir,
                                              .map_bytes = MAP_BYTES,
                                              .clock = &f->clock };
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char *command = xasprintf("rm -r %.*s", (int)strlen(f->dir) - 2, f->dir);

    assert_int_equal(system(command), 0); // NOLINT(cert-env33-c): a test
    free(command);
    free(f);
    return 0;
}

static struct journal *open_lmdb(void *data)
{
    struct fixture *f = data;
    struct journal *j = NULL;
    struct buf why;

    buf_init(&why, 0);
    if (journal_lmdb_open(&f->config, &why, &j) != OK)
        fprintf(stderr, "%s\n", buf_cstr(&why));
    buf_clear(&why);
    return j;
}

static void advance(void *data, int64_t ms)
{
    struct fixture *f = data;

    f->now_ms += ms;
}

// --- processes; before this one opens an environment ---

// What a writer tells of each entry that was acknowledged.
struct told {
    uint64_t after, seq;
    uint8_t id[JOURNAL_ENTRY_ID];
};

static void write_for_ever(struct fixture *f, int fd)
{
    struct journal *j = open_lmdb(f);
    char bytes[ENTRY_BYTES] = { 0 };
    struct told t = { 0 };
    int random = open("/dev/urandom", O_RDONLY | O_CLOEXEC);

    for (;;) {
        enum err err = journal_last(j, 1, WAIT_MS, &t.after, t.id);

        if (err == ERR_NOTFOUND)
            t.after = 0;
        if (read(random, t.id, sizeof(t.id)) != sizeof(t.id))
            _exit(1);
        memcpy(bytes, &t.after, sizeof(t.after));
        err = journal_append(j, 1, t.after, t.id,
                             (struct str){ bytes, sizeof(bytes) }, WAIT_MS,
                             &t.seq);
        if (err == OK && write(fd, &t, sizeof(t)) != sizeof(t))
            _exit(0);
        if (err != OK && err != ERR_CONFLICT)
            _exit(2);
    }
}

// Tells each entry that it reads.
static void read_for_ever(struct fixture *f, int fd)
{
    struct journal *j = open_lmdb(f);
    struct journal_reader *r;
    struct journal_entry e;
    struct told t;

    if (journal_reader_open(j, 1, 0, &r) != OK)
        _exit(1);
    while (journal_reader_next(r, WAIT_MS, &e) == OK) {
        t.seq = e.seq;
        memcpy(t.id, e.id, sizeof(t.id));
        memcpy(&t.after, e.bytes.at, sizeof(t.after));
        if (write(fd, &t, sizeof(t)) != sizeof(t))
            _exit(0);
    }
    _exit(2);
}

static pid_t start(struct fixture *f, void (*run)(struct fixture *f, int fd),
                   int *fd)
{
    int ends[2];
    pid_t child;

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(ends[0]);
        run(f, ends[1]);
    }
    close(ends[1]);
    *fd = ends[0];
    return child;
}

// Appends what was told, up to `n_max` of them in all. False: the writer has ended.
static bool hear(int fd, struct told *told, size_t *n, size_t n_max)
{
    while (*n < n_max) {
        if (read(fd, &told[*n], sizeof(*told)) != (ssize_t)sizeof(*told))
            return false;
        ++*n;
    }
    return true;
}

// Whether the chain has each of them, once, behind what it was to follow.
static void assert_told(struct fixture *f, const struct told *told, size_t n)
{
    struct journal *j = open_lmdb(f);
    struct journal_reader *r;
    struct journal_entry e;
    uint64_t before = 0;
    size_t n_found = 0;

    assert_non_null(j);
    assert_int_equal(journal_reader_open(j, 1, 0, &r), OK);
    while (journal_reader_next(r, 0, &e) == OK) {
        uint64_t after;

        memcpy(&after, e.bytes.at, sizeof(after));
        assert_int_equal(after, before);
        for (size_t i = 0; i < n; i++) {
            if (memcmp(told[i].id, e.id, sizeof(e.id)) == 0) {
                assert_int_equal(told[i].seq, e.seq);
                assert_int_equal(told[i].after, before);
                n_found++;
            }
        }
        before = e.seq;
    }
    journal_reader_close(r);
    journal_close(j);
    assert_int_equal(n_found, n);
}

static void end(pid_t child)
{
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
}

static void a_writer_that_is_killed_loses_nothing_and_stops_nobody(void **state)
{
    struct fixture *f = *state;
    struct told told[1000];
    struct told seen[1000];
    size_t n = 0;
    size_t n_seen = 0;
    size_t n_killed;
    int fds[3];
    pid_t follower = start(f, read_for_ever, &fds[2]);
    pid_t killed = start(f, write_for_ever, &fds[0]);
    pid_t other = start(f, write_for_ever, &fds[1]);

    assert_true(hear(fds[0], told, &n, BEFORE_KILL));
    end(killed); // while it appends
    (void)hear(fds[0], told, &n, 200);
    n_killed = n;
    // What the other one had written before comes first.
    assert_true(hear(fds[1], told, &n, n_killed + BEFORE_KILL + AFTER_KILL));
    assert_true(hear(fds[2], seen, &n_seen, n));
    end(other);
    end(follower);
    (void)hear(fds[1], told, &n, 1000);
    for (size_t i = 0; i < 3; i++)
        close(fds[i]);
    assert_told(f, told, n);
    assert_told(f, seen, n_seen);
}

// --- the contract ---

static void a_journal_in_lmdb_keeps_the_contract(void **state)
{
    const char *text = getenv("JOURNAL_LMDB_SEEDS");
    uint64_t n_seeds = text != NULL ? strtoull(text, NULL, 10) : SEEDS;
    char prefix[32];
    struct journal_contract_case c = { .open = open_lmdb,
                                       .data = *state,
                                       .advance_ms = advance,
                                       .prefix = prefix,
                                       .n_operations = 100,
                                       .wait_ms = WAIT_MS };
    struct buf faults;

    buf_init(&faults, 0);
    for (c.seed = 1; c.seed <= n_seeds; c.seed++) {
        snprintf(prefix, sizeof(prefix), "s%llu", (unsigned long long)c.seed);
        c.chain = (unsigned)(c.seed * 3 % 255);
        if (!(c.seed == 1 ? journal_contract
                          : journal_contract_random)(&c, &faults))
            fail_msg("%s", buf_cstr(&faults));
    }
    buf_clear(&faults);
}

static void leases_end_when_the_machine_starts_again(void **state)
{
    struct fixture *f = *state;
    struct journal *j = open_lmdb(f);
    struct buf holder;
    uint64_t term;
    uint64_t next;

    buf_init(&holder, 0);
    assert_int_equal(journal_lease_take(j, STR("lead"), STR("a"), 0, &term),
                     OK);
    journal_close(j);
    f->clock.boot_id = "second";
    f->now_ms = 500; // begins anew
    j = open_lmdb(f);
    assert_int_equal(journal_lease_get(j, STR("lead"), 0, &holder, &next),
                     ERR_NOTFOUND);
    next = term;
    assert_int_equal(journal_lease_keep(j, STR("lead"), STR("a"), 0, &next),
                     ERR_CONFLICT);
    assert_int_equal(journal_lease_take(j, STR("lead"), STR("b"), 0, &next),
                     OK);
    assert_true(next > term);
    journal_close(j);
    buf_clear(&holder);
}

static void the_machines_clock_ends_no_lease_at_once(void **state)
{
    struct fixture *f = *state;
    struct buf holder;
    struct journal *j;
    uint64_t term;

    f->config.clock = NULL;
    j = open_lmdb(f);
    buf_init(&holder, 0);
    assert_int_equal(journal_lease_take(j, STR("lead"), STR("a"), 0, &term),
                     OK);
    assert_int_equal(journal_lease_get(j, STR("lead"), 0, &holder, &term), OK);
    assert_true(str_is(buf_str(&holder), "a"));
    journal_close(j);
    buf_clear(&holder);
}

// Appends entries of this size until there is no room. Returns how many.
static unsigned fill(struct journal *j, uint64_t *tip, size_t n_bytes)
{
    char *bytes = xcalloc(1, n_bytes);
    uint8_t id[JOURNAL_ENTRY_ID] = { 0 };
    enum err err = OK;
    unsigned n = 0;

    while (n < 100 && err == OK) {
        memcpy(id, tip, sizeof(*tip));
        err = journal_append(j, 2, *tip, id, (struct str){ bytes, n_bytes },
                             WAIT_MS, tip);
        n += err == OK;
    }
    free(bytes);
    assert_int_equal(err, ERR_FULL);
    return n;
}

// Small entries fill what large ones leave: LMDB could not delete in a map that is full.
static void a_full_journal_takes_entries_again_after_a_trim(void **state)
{
    struct fixture *f = *state;
    uint64_t tip = 0;
    struct journal *j;

    f->config.map_bytes = SMALL_BYTES;
    j = open_lmdb(f);
    for (unsigned round = 0; round < 3; round++) {
        assert_true(fill(j, &tip, JOURNAL_ENTRY_BYTES) > 10);
        fill(j, &tip, 64000);
        fill(j, &tip, 8000);
        fill(j, &tip, 1000);
        assert_int_equal(journal_trim(j, 2, tip, WAIT_MS), OK);
    }
    journal_close(j);
}

static enum err serve(void *data, struct str body, struct buf *answer)
{
    ++*(atomic_uint *)data;
    buf_put_str(answer, body);
    return OK;
}

// Binds or connects a socket to a name in the directory.
static int open_socket(const struct fixture *f, const char *name, bool is_bound)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(to.sun_path, sizeof(to.sun_path), "%s/%s", f->dir, name);
    assert_true(fd >= 0);
    if (is_bound) {
        assert_int_equal(bind(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    } else {
        assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    }
    return fd;
}

static void find_name(const struct fixture *f, const char *address, char *name,
                      size_t room)
{
    DIR *dir = opendir(f->dir);

    assert_non_null(dir);
    name[0] = '\0';
    for (struct dirent *d; (d = readdir(dir)) != NULL;) {
        if (strncmp(d->d_name, address, strlen(address)) == 0)
            snprintf(name, room, "%s", d->d_name);
    }
    closedir(dir);
    assert_true(name[0] != '\0');
}

static void a_socket_takes_whole_requests_of_those_who_wait(void **state)
{
    struct fixture *f = *state;
    struct journal *j = open_lmdb(f);
    static const uint8_t parts[][5] = {
        { 0, 0, 0, 2, 'x' },     // a part of a request, and then the end
        { 0xff, 0xff, 0xff, 0 }, // too much
        { 0, 0, 0, 1, 'x' },     // who does not wait
    };
    atomic_uint n_served;
    struct buf answer;
    char name[128];

    atomic_init(&n_served, 0);
    buf_init(&answer, 0);
    // One that died left its name.
    close(open_socket(f, "address@0000000000000000", true));
    assert_int_equal(
        journal_request(j, STR("address"), STR("x"), WAIT_MS, &answer),
        ERR_NOTFOUND);
    snprintf(name, sizeof(name), "%s/address@0000000000000000", f->dir);
    assert_int_not_equal(access(name, F_OK), 0);
    assert_int_equal(journal_serve(j, STR("address"), serve, &n_served), OK);
    find_name(f, "address@", name, sizeof(name));
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        int fd = open_socket(f, name, false);

        assert_int_equal(write(fd, parts[i], sizeof(parts[i])),
                         sizeof(parts[i]));
        close(fd);
    }
    assert_int_equal(
        journal_request(j, STR("address"), STR("y"), WAIT_MS, &answer), OK);
    assert_true(str_is(buf_str(&answer), "y"));
    assert_true(atomic_load(&n_served) <=
                2); // the last one may have been in time
    journal_close(j);
    assert_int_not_equal(access(name, F_OK), 0);
    buf_clear(&answer);
}

static void files_that_were_moved_away_store_nothing(void **state)
{
    struct fixture *f = *state;
    struct journal *j = open_lmdb(f);
    uint8_t id[JOURNAL_ENTRY_ID] = { 1 };
    char *from = xasprintf("%s/data.mdb", f->dir);
    char *to = xasprintf("%s/moved.mdb", f->dir);
    struct buf faults;
    uint64_t seq = 0;

    buf_init(&faults, 0);
    assert_int_equal(journal_judge(j, &faults), OK);
    assert_int_equal(rename(from, to), 0);
    assert_int_equal(journal_judge(j, &faults), ERR_INVALID);
    assert_non_null(strstr(buf_cstr(&faults), f->dir));
    assert_int_equal(journal_append(j, 1, 0, id, STR("x"), WAIT_MS, &seq),
                     ERR_AGAIN);
    assert_int_equal(rename(to, from), 0);
    assert_int_equal(journal_append(j, 1, 0, id, STR("x"), WAIT_MS, &seq), OK);
    assert_int_equal(journal_judge(j, &faults), OK);
    journal_close(j);
    buf_clear(&faults);
    free(from);
    free(to);
}

static void a_url_names_the_directory(void **state)
{
    struct fixture *f = *state;
    char *url = xasprintf("lmdb:%s", f->dir);
    struct journal_config config = { .url = url };
    struct buf why;
    struct journal *j;

    buf_init(&why, 0);
    assert_int_equal(journal_open(&config, &why, &j), OK);
    assert_int_equal(journal_judge(j, &why), OK);
    journal_close(j);
    assert_int_equal(access(f->dir, F_OK), 0);
    config.url = "http://a";
    assert_int_equal(journal_open(&config, &why, &j), ERR_INVALID);
    assert_non_null(strstr(buf_cstr(&why), "lmdb:"));
    buf_clear(&why);
    free(url);
}

static void what_is_no_journal_is_refused(void **state)
{
    struct fixture *f = *state;
    struct journal *j;
    struct buf why;
    char path[128];
    FILE *file;

    buf_init(&why, 0);
    snprintf(path, sizeof(path), "%s/none/j", f->dir);
    f->config.dir = path;
    assert_int_equal(journal_lmdb_open(&f->config, &why, &j), ERR_INVALID);
    assert_non_null(strstr(buf_cstr(&why), "none/j"));
    file = fopen(f->dir, "w");
    assert_non_null(file);
    fclose(file);
    buf_reset(&why);
    f->config.dir = f->dir;
    assert_int_equal(journal_lmdb_open(&f->config, &why, &j), ERR_INVALID);
    assert_true(why.n_bytes > 0);
    buf_clear(&why);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(a_writer_that_is_killed_loses_nothing_and_stops_nobody), // forks
        T(a_journal_in_lmdb_keeps_the_contract),
        T(leases_end_when_the_machine_starts_again),
        T(the_machines_clock_ends_no_lease_at_once),
        T(a_full_journal_takes_entries_again_after_a_trim),
        T(a_socket_takes_whole_requests_of_those_who_wait),
        T(files_that_were_moved_away_store_nothing),
        T(a_url_names_the_directory),
        T(what_is_no_journal_is_refused),
#undef T
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
