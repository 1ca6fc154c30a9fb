// SPDX-License-Identifier: MIT
// unit_main.c — runs the tests of one file: unit NAME.
//
// Each test_*.c has a main(), which the build renames, so that one program has many
// tests.

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define X(name) int main_of_##name(void);
#include UNIT_LIST
#undef X

static const struct {
    const char *name;
    int (*run)(void);
} tests[] = {
#define X(name) { #name, main_of_##name },
#include UNIT_LIST
#undef X
};

#define N_TESTS (sizeof(tests) / sizeof(tests[0]))

#ifdef UNIT_HAS_THREADS
static int check_threads(const char *name)
{
    (void)name;
    return 0;
}
#else
#define PATIENCE_US 5000000
#define LOOK_US     10000

static int count_threads(void)
{
    int n_threads = 0;
    DIR *tasks = opendir("/proc/self/task");

    if (tasks == NULL)
        return 1;
    for (struct dirent *d; (d = readdir(tasks)) != NULL;)
        n_threads += d->d_name[0] != '.';
    closedir(tasks);
    return n_threads;
}

// Checks that a test leaves no threads: only those of unit-queue also run under
// ThreadSanitizer. A thread that waits for a child, like that of the connect guard, ends
// a moment after it.
static int check_threads(const char *name)
{
    int n_threads = count_threads();

    for (unsigned at = 0; n_threads > 1 && at < PATIENCE_US; at += LOOK_US) {
        usleep(LOOK_US);
        n_threads = count_threads();
    }
    if (n_threads == 1)
        return 0;
    fprintf(
        stderr,
        "unit: %s left %d threads: a test that makes threads must run under "
        "ThreadSanitizer; tests/CMakeLists.txt says which do\n",
        name, n_threads);
    return 1;
}
#endif

#ifdef __SANITIZE_THREAD__
// TSan's pthread_mutex_unlock() looks at the mutex once more after unlocking it. A loop
// whose last work has just ended may be closed and freed by then.
// NOLINTBEGIN(bugprone-reserved-identifier): the sanitizer's name
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
    return "race:uv_mutex_unlock\n";
}
// NOLINTEND(bugprone-reserved-identifier)
#endif

int main(int argc, char **argv)
{
    for (size_t i = 0; argc == 2 && i < N_TESTS; i++) {
        if (strcmp(argv[1], tests[i].name) == 0)
            return tests[i].run() != 0 || check_threads(tests[i].name) != 0;
    }
    fprintf(stderr, "usage: %s NAME, of which there are:\n", argv[0]);
    for (size_t i = 0; i < N_TESTS; i++)
        fprintf(stderr, "  %s\n", tests[i].name);
    return 2;
}
