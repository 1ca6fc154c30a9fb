// SPDX-License-Identifier: MIT
// test_supervisor.c — in which order roles are started, linked and ended, and what becomes
// of those that hang or fail.
//
// The supervisor is real and runs in a process of its own. It starts this program again
// for each role, which is then one of role_fixture.h.

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/config/settings.h"
#include "engine/supervisor/supervisor.h"
#include "tests/support/role_fixture.h"
#include "tests/support/unit.h"

#define TRACE_BYTES ((size_t)64 * 1024)
#define PATIENCE_US INT64_C(60000000)
#define N_ROLES     6

static const char *const labels[N_ROLES] = { "dispatcher.0", "dispatcher.1",
                                             "ingest",       "api",
                                             "sender.0",     "sender.1" };

// --- the engine ---

static char dir[64];
static char trace[TRACE_BYTES]; // as it was read last
static pid_t supervisor;
static int manager_fd; // the service manager's socket; -1: there is none

static unsigned free_port(void)
{
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t n_bytes = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &n_bytes), 0);
    close(fd);
    return ntohs(at.sin_port);
}

static void write_script(const char *text)
{
    char fresh[128], path[128];
    FILE *file;

    put_path(fresh, "script.new");
    put_path(path, "script");
    file = fopen(fresh, "we");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(rename(fresh, path), 0);
}

static void set_address(const char *name)
{
    char text[32];

    snprintf(text, sizeof(text), "127.0.0.1:%u", free_port());
    setenv(name, text, 1);
}

static void start(const char *script)
{
    const struct config_sources sources = { .file = NULL };

    write_script(script);
    set_address("POSTHORN_API_LISTEN");
    set_address("POSTHORN_INGEST_LISTEN");
    supervisor = fork();
    assert_true(supervisor >= 0);
    if (supervisor == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        _exit(supervisor_run(&sources));
    }
}

static const char *read_trace(void)
{
    char path[128];
    FILE *file;

    put_path(path, "trace");
    memset(trace, 0, sizeof(trace));
    file = fopen(path, "re");
    if (file != NULL) {
        (void)fread(trace, 1, sizeof(trace) - 1, file);
        fclose(file);
    }
    return trace;
}

// The line "LABEL what pid=…" of the trace, the nth from 1; NULL: there is none.
static const char *line_of(const char *label, const char *what, size_t nth)
{
    char line[128];
    const char *at = trace;

    snprintf(line, sizeof(line), "%s %s pid=", label, what);
    for (; (at = strstr(at, line)) != NULL; at++) {
        if ((at == trace || at[-1] == '\n') && --nth == 0)
            return at;
    }
    return NULL;
}

static size_t count(const char *label, const char *what)
{
    size_t n = 0;

    while (line_of(label, what, n + 1) != NULL)
        n++;
    return n;
}

static void wait_for(const char *label, const char *what, size_t nth)
{
    int64_t end_us = clock_mono_us() + PATIENCE_US;

    while (read_trace(), line_of(label, what, nth) == NULL) {
        if (clock_mono_us() > end_us)
            fail_msg("in vain: %s %s, of\n%s", label, what, trace);
        poll(NULL, 0, 10);
    }
}

static pid_t pid_of(const char *label, size_t nth)
{
    const char *line = line_of(label, "start", nth);

    assert_non_null(line);
    return (pid_t)strtol(strstr(line, "pid=") + 4, NULL, 10);
}

static void wait_until_ready(void)
{
    for (size_t i = 0; i < N_ROLES; i++)
        wait_for(labels[i], "ready", 1);
}

// The supervisor's exit status.
static int wait_for_end(void)
{
    int64_t end_us = clock_mono_us() + PATIENCE_US;
    int status = 0;
    pid_t ended;

    while ((ended = waitpid(supervisor, &status, WNOHANG)) == 0 &&
           clock_mono_us() < end_us)
        poll(NULL, 0, 10);
    assert_int_equal(ended, supervisor);
    supervisor = 0;
    assert_true(WIFEXITED(status));
    read_trace();
    return WEXITSTATUS(status);
}

static int end(int signum)
{
    kill(supervisor, signum);
    return wait_for_end();
}

static int set_up(void **state)
{
    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/posthorn-supervisor-XXXXXX");
    assert_non_null(mkdtemp(dir));
    me.dir = dir;
    manager_fd = -1;
    setenv("POSTHORN_DATA_DIR", dir, 1);
    setenv("POSTHORN_DISPATCHERS", "2", 1);
    setenv("POSTHORN_SENDERS", "2", 1);
    return 0;
}

static int tear_down(void **state)
{
    char *command = xasprintf("rm -rf %s", dir);

    (void)state;
    if (supervisor > 0) {
        kill(supervisor, SIGKILL);
        waitpid(supervisor, NULL, 0);
        supervisor = 0;
    }
    if (manager_fd >= 0)
        close(manager_fd);
    // A test's own directory. NOLINTNEXTLINE(cert-env33-c)
    assert_int_equal(system(command), 0);
    free(command);
    return 0;
}

// --- starting and ending ---

static void roles_are_linked_as_they_may_be(void **state)
{
    char what[64];

    (void)state;
    start("");
    wait_until_ready();
    for (size_t i = 0; i < N_ROLES; i++) {
        for (size_t k = 0; k < N_ROLES; k++) {
            if ((i < 2) == (k < 2))
                continue;
            snprintf(what, sizeof(what), "link %s", labels[k]);
            wait_for(labels[i], what, 1);
        }
    }
    assert_int_equal(end(SIGTERM), 0);
    for (size_t i = 0; i < N_ROLES; i++) {
        for (size_t k = 0; k < N_ROLES; k++) {
            snprintf(what, sizeof(what), "link %s", labels[k]);
            assert_int_equal(count(labels[i], what), (i < 2) != (k < 2));
        }
    }
}

// Asserts that one role had ended when the other was told to end.
static void assert_before(size_t one, size_t other)
{
    const char *ended = line_of(labels[one], "end", 1);
    const char *told = line_of(labels[other], "drain", 1);

    assert_non_null(ended);
    assert_non_null(told);
    if (ended > told) {
        fail_msg("%s was told to end before %s had ended:\n%s", labels[other],
                 labels[one], trace);
    }
}

static void a_drain_ends_each_kind_when_the_one_before_is_gone(void **state)
{
    enum { D0, D1, INGEST, API, S0, S1 };

    (void)state;
    start("");
    wait_until_ready();
    assert_int_equal(end(SIGTERM), 0);
    for (size_t d = D0; d <= D1; d++) {
        assert_before(INGEST, d);
        for (size_t s = S0; s <= S1; s++) {
            assert_before(d, s);
            assert_before(s, API);
        }
    }
    for (size_t i = 0; i < N_ROLES; i++) { // and starts none again
        assert_int_equal(count(labels[i], "start"), 1);
        assert_int_equal(count(labels[i], "end"), 1);
    }
    // Setup had ended before any role began.
    for (size_t i = 0; i < N_ROLES; i++) {
        assert_true(line_of("setup", "start", 1) <
                    line_of(labels[i], "start", 1));
    }
}

static void who_asks_twice_does_not_wait_for_roles_that_are_deaf(void **state)
{
    (void)state;
    start("dispatcher:deaf;");
    wait_until_ready();
    kill(supervisor, SIGTERM);
    wait_for("ingest", "end", 1);
    assert_int_equal(end(SIGINT), 1);
    assert_int_equal(count("sender.0", "drain"), 0);
}

static void without_a_setup_that_ends_well_no_role_starts(void **state)
{
    (void)state;
    start("setup:fail;");
    assert_int_equal(wait_for_end(), 1);
    assert_int_equal(count("setup", "start"), 1);
    for (size_t i = 0; i < N_ROLES; i++)
        assert_int_equal(count(labels[i], "start"), 0);
}

static void a_start_on_damaged_data_ends_in_order(void **state)
{
    (void)state;
    start("api:damaged;");
    assert_int_equal(wait_for_end(), 1);
    assert_int_equal(count("api", "start"), 1);
    assert_int_equal(count("api", "ready"), 0);
}

static void damage_that_is_found_later_ends_one_role_at_a_time(void **state)
{
    (void)state;
    start("");
    wait_until_ready();
    wait_for("dispatcher.1", "link sender.0",
             1); // ready comes before the links
    write_script("dispatcher:damaged;");
    kill(pid_of("dispatcher.1", 1), SIGKILL);
    wait_for("dispatcher.1", "start", 2);
    write_script("");
    wait_for("dispatcher.1", "ready", 2); // a second later at the earliest
    wait_for("dispatcher.1", "link sender.0", 2);
    assert_int_equal(end(SIGTERM), 0);
    for (size_t i = 0; i < N_ROLES; i++)
        assert_int_equal(count(labels[i], "ready"), i == 1 ? 2 : 1);
}

static void neighbours_hear_of_a_death_and_get_new_links(void **state)
{
    (void)state;
    start("");
    wait_until_ready();
    wait_for("dispatcher.0", "link sender.1", 1);
    wait_for("dispatcher.1", "link sender.1", 1);
    wait_for("sender.1", "link dispatcher.1", 1);
    kill(pid_of("sender.1", 1), SIGKILL);
    wait_for("dispatcher.0", "link sender.1", 2);
    wait_for("dispatcher.1", "link sender.1", 2);
    wait_for("sender.1", "link dispatcher.1", 2);
    assert_int_equal(end(SIGTERM), 0);
    assert_int_equal(count("dispatcher.0", "ended sender.1"), 1);
    assert_int_equal(count("api", "ended sender.1"), 0);
    assert_int_equal(count("dispatcher.0", "link sender.0"), 1);
}

static void all_roles_read_the_settings_again(void **state)
{
    (void)state;
    start("");
    wait_until_ready();
    kill(supervisor, SIGHUP);
    for (size_t i = 0; i < N_ROLES; i++)
        wait_for(labels[i], "reload", 1);
    assert_int_equal(end(SIGTERM), 0);
    for (size_t i = 0; i < N_ROLES; i++)
        assert_int_equal(count(labels[i], "start"), 1);
}

// --- what roles are given ---

static void a_role_has_what_it_needs_and_nothing_more(void **state)
{
    (void)state;
    setenv("TZ", "UTC", 1);
    setenv("LC_ALL", "C", 1);
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    setenv("MY_PASSWORD", "x", 1);
    start("");
    wait_until_ready();
    assert_int_equal(end(SIGTERM), 0);
    assert_int_equal(count("ingest", "has TZ LC_ALL secret socket page pages"),
                     1);
    assert_int_equal(count("api", "has TZ LC_ALL secret socket page pages"), 1);
    assert_int_equal(count("dispatcher.1", "has TZ LC_ALL page pages"), 1);
    assert_int_equal(count("sender.1", "has TZ LC_ALL page"), 1);
    setenv("POSTHORN_DEBUG_ENV", "1", 1);
    start("");
    wait_for("sender.0", "ready", 2);
    assert_int_equal(end(SIGTERM), 0);
    assert_int_equal(
        count("sender.0", "has TZ LC_ALL http_proxy MY_PASSWORD page"), 1);
    unsetenv("POSTHORN_DEBUG_ENV");
    unsetenv("http_proxy");
}

// --- hanging ---

// A manager whose watchdog waits for three seconds.
static void be_manager(void)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };

    snprintf(at.sun_path, sizeof(at.sun_path), "%s/notify", dir);
    manager_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(manager_fd, (struct sockaddr *)&at, sizeof(at)), 0);
    setenv("NOTIFY_SOCKET", at.sun_path, 1);
    setenv("WATCHDOG_USEC", "3000000", 1);
}

// Waits for a text that begins like this; `is_fed` gets whether WATCHDOG=1 came before.
static void hear(const char *wanted, bool *is_fed)
{
    struct pollfd one = { .fd = manager_fd, .events = POLLIN };

    *is_fed = false;
    for (;;) {
        char text[1024] = "";

        assert_int_equal(poll(&one, 1, 60000), 1);
        assert_true(recv(manager_fd, text, sizeof(text) - 1, 0) > 0);
        if (strncmp(text, wanted, strlen(wanted)) == 0)
            return;
        *is_fed = *is_fed || strncmp(text, "WATCHDOG=1", 10) == 0;
    }
}

static void a_role_that_hangs_at_its_start_is_killed_and_started_again(void **s)
{
    bool is_fed;

    (void)s;
    be_manager();
    start("sender:hang;");
    wait_for("sender.0", "start", 2);
    write_script("");
    hear("READY=1", &is_fed);
    assert_true(is_fed); // until it was seen to hang
    hear("WATCHDOG=1", &is_fed);
    assert_int_equal(end(SIGTERM), 0);
    assert_int_equal(count("sender.0", "ready"), 1);
    assert_int_equal(count("dispatcher.0", "start"), 1); // the others go on
    assert_int_equal(count("ingest", "start"), 1);
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
}

#define EACH(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(roles_are_linked_as_they_may_be),
        EACH(a_drain_ends_each_kind_when_the_one_before_is_gone),
        EACH(who_asks_twice_does_not_wait_for_roles_that_are_deaf),
        EACH(without_a_setup_that_ends_well_no_role_starts),
        EACH(a_start_on_damaged_data_ends_in_order),
        EACH(damage_that_is_found_later_ends_one_role_at_a_time),
        EACH(neighbours_hear_of_a_death_and_get_new_links),
        EACH(all_roles_read_the_settings_again),
        EACH(a_role_has_what_it_needs_and_nothing_more),
        EACH(a_role_that_hangs_at_its_start_is_killed_and_started_again),
    };

    if (getenv(CONTROL_ENV_SLOT) != NULL)
        return be_role();
    return cmocka_run_group_tests_name("supervisor", tests, NULL, NULL);
}
