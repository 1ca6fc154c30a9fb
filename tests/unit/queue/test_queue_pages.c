// SPDX-License-Identifier: MIT
// test_queue_pages.c — damaged pages are found, whatever is in them, and sound records are
// saved.

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "queue/lmdb/page_check.h"
#include "queue/queue.h"
#include "tests/support/queue_fixture.h"

#define N_EVENTS 400
#define PAGE     4096

struct file {
    uint8_t *at;
    size_t n_bytes;
};

static char *path_of(const struct fixture *f, const char *name)
{
    return xasprintf("%s/%s", f->dir, name);
}

static struct file read_file(const char *path)
{
    struct file file = { NULL, 0 };
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    file.n_bytes = (size_t)st.st_size;
    file.at = xmalloc(file.n_bytes);
    assert_int_equal(read(fd, file.at, file.n_bytes), st.st_size);
    close(fd);
    return file;
}

static void write_file(const char *path, const uint8_t *at, size_t n_bytes)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, at, n_bytes), (ssize_t)n_bytes);
    close(fd);
}

// A second directory with an event log only, to be damaged.
static struct queue_config other_directory(const struct fixture *f)
{
    struct queue_config config = f->config;
    char *dir = path_of(f, "other");
    char *events = path_of(f, "other/events");

    assert_int_equal(mkdir(dir, 0700), 0);
    assert_int_equal(mkdir(events, 0700), 0);
    config.data_dir = dir; // freed with the process
    free(events);
    return config;
}

static void fill(struct fixture *f)
{
    static char large[3 * PAGE];
    struct append a;

    memset(large, 'x', sizeof(large) - 1);
    for (size_t i = 0; i < N_EVENTS / 20; i++) {
        struct new_event events[20];

        for (size_t n = 0; n < 20; n++)
            events[n] = event_of("a.b", n == 7 ? large : "{\"n\":1}");
        assert_int_equal(append(f, events, 20, &a), OK);
    }
}

static void count_fault(void *data, const char *what)
{
    (void)what;
    (*(size_t *)data)++;
}

static enum err check(const struct queue_config *config, bool is_skeleton,
                      size_t *n_faults)
{
    const struct part part = part_of(config, 0);
    const struct page_check how = { .is_skeleton = is_skeleton,
                                    .on_fault = count_fault,
                                    .data = n_faults };

    *n_faults = 0;
    return page_check_at_rest(config->data_dir, &part, &how);
}

static void sound_pages_have_no_faults(void **state)
{
    struct fixture *f = *state;
    size_t n_faults;

    for (size_t i = 0; i < 3; i++) {
        fill(f);
        assert_int_equal(check(&f->config, false, &n_faults), OK);
        assert_int_equal(n_faults, 0);
        assert_int_equal(check(&f->config, true, &n_faults), OK);
    }
}

// Each page in turn is zeroed, exchanged with the next, and cut off.
static void every_page_that_is_used_is_looked_at(void **state)
{
    struct fixture *f = *state;
    struct queue_config other = other_directory(f);
    char *from = path_of(f, "events/data.mdb");
    char *to = path_of(f, "other/events/data.mdb");
    struct file sound;
    size_t n_found = 0;
    size_t n_faults;

    fill(f);
    sound = read_file(from);
    for (size_t n = 2; n < sound.n_bytes / PAGE; n++) {
        uint8_t *page = sound.at + n * PAGE;
        uint8_t kept[PAGE];

        memcpy(kept, page, PAGE);
        memset(page, 0, PAGE);
        write_file(to, sound.at, sound.n_bytes);
        if (check(&other, false, &n_faults) != OK)
            n_found++;
        memcpy(page, kept, PAGE);
    }
    // Damage in free pages and within large values is not found.
    assert_true(n_found > sound.n_bytes / PAGE / 4);
    write_file(to, sound.at, sound.n_bytes / 2);
    assert_int_equal(check(&other, true, &n_faults), ERR_CORRUPT);
    assert_true(n_faults > 0);
    free(sound.at);
    free(from);
    free(to);
}

static uint64_t next_random(uint64_t *x)
{
    *x = *x * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *x >> 24;
}

static void spoil(struct file *file, uint64_t *random)
{
    size_t n = 1 + next_random(random) % 20;

    for (size_t i = 0; i < n; i++) {
        size_t at = next_random(random) % file->n_bytes;

        // Half of it where headers and rows are.
        if (next_random(random) % 2 == 0)
            at = at / PAGE * PAGE + next_random(random) % 64;
        if (at < file->n_bytes)
            file->at[at] = (uint8_t)next_random(random);
    }
}

static int save(struct fixture *f, const struct queue_config *other)
{
    struct queue_copy_to to = { .parent = f->dir, .name = "saved" };
    const struct queue_repair how = { .on_fault = NULL };
    struct queue_repaired repaired;
    struct queue_config saved = f->config;
    struct queue_report report;
    char *dir = path_of(f, "saved");
    enum err err = queue_copy_begin(&to, other->data_dir);

    if (err == OK)
        err = queue_repair(other, &to, &how, &repaired);
    if (err == OK)
        err = queue_copy_finish(&to);
    if (queue_copy_end(&to) != OK || err != OK)
        return 1;
    saved.data_dir = dir;
    saved.n_shards = repaired.n_shards;
    err = queue_verify(&saved, NULL, NULL, NULL, &report);
    free(dir);
    return err == OK && report.n_faults == 0 ? 0 : 2;
}

static void remove_saved(const struct fixture *f)
{
    char *command = xasprintf("rm -rf %s/saved", f->dir);

    // A test's own directory. NOLINTNEXTLINE(cert-env33-c)
    assert_int_equal(system(command), 0);
    free(command);
}

static void whatever_bytes_there_are_nothing_faults(void **state)
{
    struct fixture *f = *state;
    struct queue_config other = other_directory(f);
    char *from = path_of(f, "events/data.mdb");
    char *to = path_of(f, "other/events/data.mdb");
    uint64_t random = 7;

    fill(f);
    for (size_t i = 0; i < 300; i++) {
        struct file file = read_file(from);
        size_t n_faults;
        enum err err;

        spoil(&file, &random);
        write_file(to, file.at, file.n_bytes);
        err = check(&other, false, &n_faults);
        assert_true(err == OK ? n_faults == 0 : err == ERR_CORRUPT);
        err = check(&other, true, &n_faults);
        assert_true(err == OK || err == ERR_CORRUPT);
        free(file.at);
        if (i % 30 == 0) {
            int status;
            pid_t child = fork();

            if (child == 0)
                _exit(save(f, &other));
            assert_int_equal(waitpid(child, &status, 0), child);
            assert_int_equal(status, 0);
            remove_saved(f);
        }
    }
    free(from);
    free(to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(sound_pages_have_no_faults),
        EACH(every_page_that_is_used_is_looked_at),
        EACH(whatever_bytes_there_are_nothing_faults),
    };

    return cmocka_run_group_tests_name("queue_pages", tests, NULL, NULL);
}
