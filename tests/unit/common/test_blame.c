// SPDX-License-Identifier: MIT
// test_blame.c — for which record a role's death is counted, and for how long.
//
// Roles that die are real processes, with the page of this test.

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/process/blame.h"
#include "tests/support/unit.h"

static struct blame_page *page;
static int page_fd;
static struct blamed blamed; // of the last death
static uint32_t n_deaths;

static int set_up(void **state)
{
    (void)state;
    page_fd = blame_create(&page);
    return page_fd < 0;
}

static int tear_down(void **state)
{
    (void)state;
    return close(page_fd); // the page stays mapped, as in the supervisor
}

// --- roles that die ---

static void die(void)
{
    struct blamed before = blame_begin(BLAME_HOOK, 1, 2);
    struct blamed inner = blame_begin(BLAME_DELIVERY, 3, 4);

    blame_end(inner);
    (void)before;
    abort();
}

static void die_idle(void)
{
    blame_end(blame_begin(BLAME_HOOK, 1, 2));
    abort();
}

static void wait_for_signal(void)
{
    blame_begin(BLAME_HOOK, 1, 2);
    raise(SIGSTOP); // so that the test knows how far it is
    for (;;)
        pause();
}

static void end_with_a_status(void)
{
    blame_begin(BLAME_ROWS, 5, 0);
    blame_this_thread();
    _exit(65);
}

static void end_well(void)
{
    blame_begin(BLAME_ROWS, 5, 0);
    _exit(0);
}

static void *work(void *data)
{
    (void)data;
    blame_begin(BLAME_EVENT, 0, 9);
    abort();
}

static void die_in_a_thread(void)
{
    pthread_t thread;

    blame_begin(BLAME_HOOK, 1, 2);
    if (pthread_create(&thread, NULL, work, NULL) == 0)
        pthread_join(thread, NULL);
    _exit(99);
}

// The watchdog runs in a thread of its own, and the loop is to blame.
static void *watch(void *data)
{
    (void)data;
    blame_the_loop();
    abort();
}

static void spin(void)
{
    pthread_t thread;

    blame_begin(BLAME_HOOK, 1, 2);
    if (pthread_create(&thread, NULL, watch, NULL) == 0)
        pthread_join(thread, NULL);
    _exit(99);
}

// Runs a role to its end. Returns whether the death was its own fault.
static bool run(void (*role)(void), int signum)
{
    pid_t pid = fork();
    int status;

    assert_true(pid >= 0);
    if (pid == 0) {
        blame_attach(page_fd);
        role();
        _exit(98);
    }
    if (signum != 0) {
        assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
        assert_true(WIFSTOPPED(status));
        kill(pid, signum);
        kill(pid, SIGCONT);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(!WIFEXITED(status) || WEXITSTATUS(status) < 98);
    return blame_attribute(page, WIFSIGNALED(status) ? WTERMSIG(status) : 0,
                           &blamed, &n_deaths);
}

static void assert_blamed(enum blame_kind kind, uint64_t a, uint64_t b,
                          uint32_t n)
{
    assert_int_equal(blamed.kind, kind);
    assert_int_equal(blamed.a, a);
    assert_int_equal(blamed.b, b);
    assert_int_equal(n_deaths, n);
}

static void a_death_is_counted_for_what_was_worked_on(void **state)
{
    (void)state;
    for (uint32_t n = 1; n <= BLAME_ASIDE; n++) {
        assert_true(run(die, 0));
        assert_blamed(BLAME_HOOK, 1, 2, n);
    }
    assert_true(run(end_with_a_status, 0));
    assert_blamed(BLAME_ROWS, 5, 0, 1);
}

static void who_dies_while_idle_is_not_to_blame_for_what_it_did_before(void **s)
{
    (void)s;
    assert_true(run(die_idle, 0));
    assert_blamed(BLAME_NOTHING, 0, 0, 0);
    assert_false(run(end_well, 0));
    assert_int_equal(n_deaths, 0);
    // Nothing is left of the notes of those that died before.
    assert_true(run(die_idle, 0));
    assert_blamed(BLAME_NOTHING, 0, 0, 0);
}

static void who_was_killed_is_not_to_blame(void **state)
{
    static const int signals[] = { SIGKILL, SIGTERM, SIGABRT, SIGSEGV };

    (void)state;
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        // Sanitizers keep the handler of a fault for themselves.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
        if (signals[i] == SIGSEGV)
            continue;
#endif
        assert_false(run(wait_for_signal, signals[i]));
        assert_blamed(BLAME_HOOK, 1, 2, 0);
    }
    assert_true(run(die, 0)); // the next one was not killed
    assert_blamed(BLAME_HOOK, 1, 2, 1);
}

static void the_thread_that_died_is_to_blame(void **state)
{
    (void)state;
    assert_true(run(die_in_a_thread, 0));
    assert_blamed(BLAME_EVENT, 0, 9, 1);
    assert_true(run(spin, 0));
    assert_blamed(BLAME_HOOK, 1, 2, 1);
}

// --- what is remembered ---

static void count_death_of(enum blame_kind kind, uint64_t a, uint64_t b)
{
    blame_begin(kind, a, b);
    blame_this_thread();
    assert_true(blame_attribute(page, 0, &blamed, &n_deaths));
    assert_int_equal(blamed.a, a);
}

static void a_record_is_forgiven_or_forgotten(void **state)
{
    (void)state;
    blame_attach(page_fd);
    assert_false(blame_is_any());
    for (int i = 0; i < 5; i++)
        count_death_of(BLAME_DELIVERY, 1, 2);
    assert_true(blame_is_any());
    assert_int_equal(blame_deaths(BLAME_DELIVERY, 1, 2), 5);
    assert_int_equal(blame_deaths(BLAME_DELIVERY, 1, 3), 0);
    assert_int_equal(blame_deaths(BLAME_HOOK, 1, 2), 0);
    blame_forgive(BLAME_DELIVERY, 1, 2); // tried once more, alone
    assert_int_equal(blame_deaths(BLAME_DELIVERY, 1, 2), BLAME_ALONE);
    blame_forget(BLAME_DELIVERY, 1, 3);
    assert_int_equal(blame_deaths(BLAME_DELIVERY, 1, 2), BLAME_ALONE);
    blame_forget(BLAME_DELIVERY, 1, 2);
    assert_int_equal(blame_deaths(BLAME_DELIVERY, 1, 2), 0);
    assert_false(blame_is_any());
    count_death_of(BLAME_DELIVERY, 1, 2);
    blame_forgive(BLAME_DELIVERY, 1, 2); // does not make it worse
    assert_int_equal(blame_deaths(BLAME_DELIVERY, 1, 2), 1);
}

static void of_too_many_the_oldest_is_forgotten(void **state)
{
    struct blamed record;
    uint32_t n;

    (void)state;
    blame_attach(page_fd);
    for (uint64_t a = 1; a <= BLAME_MAX; a++)
        count_death_of(BLAME_EVENT, a, 0);
    count_death_of(BLAME_EVENT, 1, 0); // now 2 is the oldest
    count_death_of(BLAME_HOOK, 7, 0);
    assert_int_equal(blame_deaths(BLAME_EVENT, 1, 0), 2);
    assert_int_equal(blame_deaths(BLAME_EVENT, 2, 0), 0);
    assert_int_equal(blame_deaths(BLAME_EVENT, 3, 0), 1);
    assert_int_equal(blame_deaths(BLAME_HOOK, 7, 0), 1);
    for (unsigned i = 0; i < BLAME_MAX; i++)
        assert_true(blame_at(i, &record, &n));
    for (uint64_t a = 1; a <= BLAME_MAX; a++)
        blame_forget(BLAME_EVENT, a, 0);
    blame_forget(BLAME_HOOK, 7, 0);
    assert_false(blame_is_any());
    assert_false(blame_at(0, &record, &n));
}

static void each_engine_hashes_requests_in_its_own_way(void **state)
{
    uint64_t hash;

    (void)state;
    blame_attach(page_fd);
    hash = blame_hash(STR("POST /"), 0);
    assert_int_equal(blame_hash(STR("POST /"), 0), hash);
    assert_true(blame_hash(STR("POST /"), 1) != hash);
    assert_true(blame_hash(STR("POST /x"), 0) != hash);
    assert_int_equal(close(page_fd), 0);
    page_fd = blame_create(&page);
    blame_attach(page_fd);
    assert_true(blame_hash(STR("POST /"), 0) != hash);
}

#define EACH(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(a_death_is_counted_for_what_was_worked_on),
        EACH(who_dies_while_idle_is_not_to_blame_for_what_it_did_before),
        EACH(who_was_killed_is_not_to_blame),
        EACH(the_thread_that_died_is_to_blame),
        EACH(a_record_is_forgiven_or_forgotten),
        EACH(of_too_many_the_oldest_is_forgotten),
        EACH(each_engine_hashes_requests_in_its_own_way),
    };

    return cmocka_run_group_tests_name("blame", tests, NULL, NULL);
}
