// SPDX-License-Identifier: MIT
// test_notify.c — what a service manager is told, also one that reads late.

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "engine/supervisor/notify.h"
#include "tests/support/unit.h"

#define S          INT64_C(1000000)
#define TEXT_BYTES 1024

static int manager;
static struct notify n;
static char heard[TEXT_BYTES];

static int set_up(void **state)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    char name[64];
    int length = snprintf(name, sizeof(name), "@posthorn-test-%d", getpid());

    (void)state;
    memcpy(at.sun_path + 1, name + 1, (size_t)length - 1);
    manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    setenv("NOTIFY_SOCKET", name, 1);
    return bind(
        manager, (struct sockaddr *)&at,
        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)length));
}

static int tear_down(void **state)
{
    (void)state;
    if (n.fd >= 0)
        close(n.fd);
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    return close(manager);
}

static void open_with(const char *watchdog_us)
{
    if (watchdog_us != NULL)
        setenv("WATCHDOG_USEC", watchdog_us, 1);
    notify_open(&n);
    assert_true(n.fd >= 0);
}

// The next text; "": there is none.
static const char *hear(void)
{
    ssize_t n_bytes = recv(manager, heard, sizeof(heard) - 1, 0);

    heard[n_bytes > 0 ? n_bytes : 0] = '\0';
    return heard;
}

static void a_text_arrives_as_it_is_and_children_do_not_know_of_it(void **state)
{
    (void)state;
    setenv("WATCHDOG_PID", "1", 1); // somebody else's watchdog
    open_with("3000000");
    assert_int_equal(n.watchdog_us, 0);
    assert_null(getenv("NOTIFY_SOCKET"));
    assert_null(getenv("WATCHDOG_USEC"));
    assert_null(getenv("WATCHDOG_PID"));
    notify_tell(&n, "READY=1\nSTATUS=%s", "all work");
    assert_string_equal(hear(), "READY=1\nSTATUS=all work");
    assert_string_equal(hear(), "");
    notify_reloading(&n);
    assert_memory_equal(hear(), "RELOADING=1\nMONOTONIC_USEC=", 27);
}

static void the_watchdog_is_fed_in_time_and_only_while_all_live(void **state)
{
    (void)state;
    open_with("3000000");
    assert_int_equal(notify_patience_us(&n), 3 * S / 2);
    notify_beat(&n, false);
    assert_string_equal(hear(), "");
    notify_beat(&n, true);
    assert_string_equal(hear(), "WATCHDOG=1\n");
    n.fed_us = clock_mono_us(); // however slow this machine is
    notify_beat(&n, true);
    assert_string_equal(hear(), "");
    n.fed_us = clock_mono_us() - S; // a third of the time
    notify_beat(&n, false);
    assert_string_equal(hear(), "");
    notify_beat(&n, true);
    assert_string_equal(hear(), "WATCHDOG=1\n");
}

static void a_watchdog_that_is_no_time_is_none(void **state)
{
    static const char *const texts[] = { "",  "x",  "-5",
                                         "0", "3s", "99999999999999999999" };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        tear_down(NULL);
        assert_int_equal(set_up(NULL), 0);
        open_with(texts[i]);
        assert_int_equal(n.watchdog_us, 0);
        assert_int_equal(notify_patience_us(&n), 30 * S);
        notify_beat(&n, true);
        assert_string_equal(hear(), "");
    }
}

static void a_start_that_goes_on_is_extended_every_few_seconds(void **state)
{
    (void)state;
    open_with(NULL);
    notify_extend(&n);
    assert_string_equal(hear(), "EXTEND_TIMEOUT_USEC=60000000");
    n.extended_us = clock_mono_us();
    notify_extend(&n);
    assert_string_equal(hear(), "");
    n.extended_us -= 5 * S;
    notify_extend(&n);
    assert_string_equal(hear(), "EXTEND_TIMEOUT_USEC=60000000");
}

static void a_manager_that_reads_late_hears_all_in_order(void **state)
{
    char wanted[32];
    int n_told = 0;

    (void)state;
    open_with(NULL);
    while (n.n_bytes == 0) // until its queue is full
        notify_tell(&n, "STATUS=%d", n_told++);
    notify_tell(&n, "STATUS=%d", n_told++);
    assert_true(n.is_blocked);
    for (int i = 0; i < n_told; i++) {
        snprintf(wanted, sizeof(wanted), "STATUS=%d", i);
        assert_string_equal(hear(), wanted);
        notify_beat(&n, true);
    }
    assert_string_equal(hear(), "");
    assert_int_equal(n.n_bytes, 0);
    assert_false(n.is_blocked);
}

static void of_too_much_for_a_manager_the_newest_is_kept(void **state)
{
    const char *last = "";

    (void)state;
    open_with(NULL);
    for (int i = 0; i < 2000; i++)
        notify_tell(&n, "STATUS=%d of many", i);
    assert_true(n.n_bytes <= NOTIFY_TEXTS_BYTES);
    for (int i = 0; i < 2000; i++) {
        static char kept[TEXT_BYTES];

        if (hear()[0] == '\0' && n.n_bytes == 0)
            break;
        if (heard[0] != '\0') {
            snprintf(kept, sizeof(kept), "%s", heard);
            last = kept;
        }
        notify_beat(&n, true);
    }
    assert_string_equal(last, "STATUS=1999 of many");
}

static void without_a_manager_nothing_is_told(void **state)
{
    static const char *const addresses[] = { "", "relative", "@", "/" };

    (void)state;
    for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
        setenv("NOTIFY_SOCKET", addresses[i], 1);
        notify_open(&n);
        assert_int_equal(n.fd, -1);
        assert_null(getenv("NOTIFY_SOCKET"));
        notify_tell(&n, "READY=1");
        notify_extend(&n);
        notify_beat(&n, true);
        assert_int_equal(n.n_bytes, 0);
    }
    assert_string_equal(hear(), "");
}

#define EACH(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(a_text_arrives_as_it_is_and_children_do_not_know_of_it),
        EACH(the_watchdog_is_fed_in_time_and_only_while_all_live),
        EACH(a_watchdog_that_is_no_time_is_none),
        EACH(a_start_that_goes_on_is_extended_every_few_seconds),
        EACH(a_manager_that_reads_late_hears_all_in_order),
        EACH(of_too_much_for_a_manager_the_newest_is_kept),
        EACH(without_a_manager_nothing_is_told),
    };

    return cmocka_run_group_tests_name("notify", tests, NULL, NULL);
}
