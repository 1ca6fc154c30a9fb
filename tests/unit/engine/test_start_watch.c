// SPDX-License-Identifier: MIT
// test_start_watch.c — whether a process that starts makes progress, seen from outside.

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "engine/supervisor/start_watch.h"
#include "tests/support/unit.h"

#define MS     INT64_C(1000)
#define MINUTE (MS * 60000)

// A process that waits, or that uses the processor.
static pid_t make(bool is_busy)
{
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        for (volatile unsigned n = 0;; n++) {
            if (!is_busy)
                pause();
        }
    }
    return pid;
}

static void end(pid_t pid)
{
    int status;

    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
}

static void pass(int ms)
{
    poll(NULL, 0, ms);
}

// The watch was begun a minute ago, and checked a moment ago.
static void age(struct start_watch *w)
{
    w->stirred_us = clock_mono_us() - MINUTE;
}

static void who_waits_makes_no_progress(void **state)
{
    struct start_watch w = { .pid = 0 };
    pid_t pid = make(false);

    (void)state;
    assert_int_equal(start_idle_us(&w, pid), 0); // seen for the first time
    pass(20);
    assert_true(start_idle_us(&w, pid) >= 20 * MS);
    age(&w);
    assert_true(start_idle_us(&w, pid) >= MINUTE);
    end(pid);
}

static void who_uses_the_processor_makes_progress(void **state)
{
    struct start_watch w = { .pid = 0 };
    pid_t pid = make(true);
    int64_t end_us = clock_mono_us() + MINUTE;

    (void)state;
    assert_int_equal(start_idle_us(&w, pid), 0);
    // It stirs as soon as it has had the processor for a moment.
    do {
        age(&w);
        pass(20);
    } while (start_idle_us(&w, pid) >= MINUTE && clock_mono_us() < end_us);
    assert_true(clock_mono_us() < end_us);
    end(pid);
}

static void the_next_process_has_time_of_its_own(void **state)
{
    struct start_watch w = { .pid = 0 };
    pid_t one = make(false);
    pid_t next = make(false);

    (void)state;
    assert_int_equal(start_idle_us(&w, one), 0);
    age(&w);
    assert_int_equal(start_idle_us(&w, next), 0);
    end(one);
    end(next);
    // One that is gone cannot be judged.
    age(&w);
    assert_int_equal(start_idle_us(&w, next), 0);
}

static void stop(pid_t pid)
{
    int status;

    kill(pid, SIGSTOP);
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    assert_true(WIFSTOPPED(status));
}

static void go_on(pid_t pid)
{
    int status;

    kill(pid, SIGCONT);
    assert_int_equal(waitpid(pid, &status, WCONTINUED), pid);
}

static void who_was_stopped_on_purpose_may_take_its_time_again(void **state)
{
    struct start_watch w = { .pid = 0 };
    pid_t pid = make(false);

    (void)state;
    assert_int_equal(start_idle_us(&w, pid), 0);
    assert_false(w.is_stopped);
    stop(pid);
    age(&w);
    assert_true(start_idle_us(&w, pid) >= MINUTE);
    assert_true(w.is_stopped);
    go_on(pid);
    assert_int_equal(start_idle_us(&w, pid), 0);
    assert_false(w.is_stopped);
    end(pid);
}

static void a_pause_of_the_whole_machine_does_not_count(void **state)
{
    struct start_watch w = { .pid = 0 };
    pid_t pid = make(false);

    (void)state;
    assert_int_equal(start_idle_us(&w, pid), 0);
    pass(20);
    assert_true(start_idle_us(&w, pid) >= 20 * MS);
    // Neither checks nor anything else ran for a minute.
    w.stirred_us -= MINUTE;
    w.checked_at_us -= MINUTE;
    assert_true(start_idle_us(&w, pid) < MINUTE);
    end(pid);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_waits_makes_no_progress),
        cmocka_unit_test(who_uses_the_processor_makes_progress),
        cmocka_unit_test(the_next_process_has_time_of_its_own),
        cmocka_unit_test(who_was_stopped_on_purpose_may_take_its_time_again),
        cmocka_unit_test(a_pause_of_the_whole_machine_does_not_count),
    };

    return cmocka_run_group_tests_name("start_watch", tests, NULL, NULL);
}
