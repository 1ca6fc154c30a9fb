// SPDX-License-Identifier: MIT
// watchdog.c — ends a process whose loop does not turn while it uses the processor.

#include "common/process/watchdog.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "common/log/log.h"
#include "common/process/blame.h"

#define CHECK_CPU_S 30

static atomic_uint n_turns;
static unsigned n_turns_seen; // the handler's

// Runs once in LOOK_CPU_S of processor time.
static void on_check(int signum)
{
    static const char line[] =
        "level=fatal msg=\"the loop does not turn, the process works all the "
        "same: it ends itself\"\n";
    unsigned n = atomic_load(&n_turns);
    ssize_t written;

    (void)signum;
    if (n != n_turns_seen) {
        n_turns_seen = n;
        return;
    }
    written = write(STDERR_FILENO, line, sizeof(line) - 1);
    (void)written;
    blame_the_loop();
    abort();
}

void watchdog_turned(void)
{
    atomic_fetch_add(&n_turns, 1);
}

void watchdog_start(void)
{
    const struct itimerval every = { .it_interval = { .tv_sec = CHECK_CPU_S },
                                     .it_value = { .tv_sec = CHECK_CPU_S } };
    struct sigaction action;

    memset(&action, 0, sizeof(action));
    action.sa_handler = on_check;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    watchdog_turned(); // differs from n_turns_seen: the first look passes
    if (sigaction(SIGPROF, &action, NULL) != 0 ||
        setitimer(ITIMER_PROF, &every, NULL) != 0) {
        log_warn("the watchdog cannot be started; if this process hangs, it is "
                 "not ended",
                 "");
    }
}
