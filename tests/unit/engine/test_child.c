// SPDX-License-Identifier: MIT
// test_child.c — a role that ends is started again, and waits longer each time.
//
// The program that is started is this test itself: it has no roles, and ends with
// status 2.

#include <string.h>
#include <uv.h>

#include "common/base/mem.h"
#include "common/process/metrics.h"
#include "common/process/pulse.h"
#include "engine/supervisor/child.h"
#include "tests/support/unit.h"

#define N_ENDS  9
#define N_TESTS 5

// Globals, because the resources of a child are never freed.
static uv_loop_t loop;
static struct child *children[N_TESTS]; // one for each test
static size_t n_children;
static struct child *child; // of the test that runs
static struct child_owner owner;
static uint32_t waits_ms[N_ENDS];
static unsigned n_ends_wanted, n_ends, n_closed;
static int64_t age_us; // the age of the process that child.c computes
static int64_t last_status;

static void on_started(struct child *c)
{
    c->started_us = INT64_MAX / 2; // however slow this machine is
    if (age_us > 0)
        c->started_us = -age_us;
}

static void on_message(struct child *c, const struct control_message *m)
{
    (void)c;
    (void)m;
    fail_msg("it says something");
}

static void on_ended(struct child *c, int64_t status, int signum,
                     const struct death *death)
{
    assert_int_equal(signum, 0);
    assert_false(death->is_own);
    last_status = status;
    waits_ms[n_ends++] = c->restart_wait_ms;
    if (n_ends == n_ends_wanted)
        owner.is_ending = true;
    c->restart_wait_ms = c->restart_wait_ms > 400 ? 400 : c->restart_wait_ms;
}

static void on_closed(struct child *c)
{
    n_closed++;
    uv_close((uv_handle_t *)&c->restart, NULL);
}

static int set_up(void **state)
{
    static struct accounts nobody;

    (void)state;
    if (uv_loop_init(&loop) != 0 || !metrics_create(2))
        return -1;
    metrics_name(0, "supervisor", METRICS_SUPERVISOR);
    owner = (struct child_owner){ .loop = &loop,
                                  .accounts = &nobody,
                                  .instance = "i",
                                  .secret = "s",
                                  .sources_text = "",
                                  .on_started = on_started,
                                  .on_message = on_message,
                                  .on_ended = on_ended,
                                  .on_closed = on_closed };
    child = xcalloc(1, sizeof(*child));
    child->slot = 1;
    child->listen_fd = -1;
    children[n_children++] = child;
    child_init(child, &owner, ROLE_API, 0);
    n_ends = 0;
    n_closed = 0;
    age_us = 0;
    return 0;
}

static void run_until(unsigned n)
{
    n_ends_wanted = n;
    child_start(child);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    assert_int_equal(n_ends, n);
    assert_int_equal(n_closed, 1);
    assert_int_equal(last_status, 2);
    assert_false(child->is_alive);
}

static void one_that_dies_young_waits_twice_as_long_each_time(void **state)
{
    (void)state;
    run_until(4);
    assert_int_equal(waits_ms[0], 100);
    assert_int_equal(waits_ms[1], 200);
    assert_int_equal(waits_ms[2], 400);
    assert_int_equal(waits_ms[3], 800);
    assert_int_equal(metrics_sum_counter(COUNTER_RESTARTS, "api"), 3);
    assert_int_equal(metrics_gauge_of(1, GAUGE_PID), 0);
}

static void one_that_has_worked_for_long_does_not_wait(void **state)
{
    (void)state;
    child->restart_wait_ms = 300;
    age_us = 3600000000;
    run_until(2);
    assert_int_equal(waits_ms[0], 0);
    assert_int_equal(waits_ms[1], 0);
}

static void no_wait_is_longer_than_ten_seconds(void **state)
{
    (void)state;
    child->restart_wait_ms = 8000;
    run_until(1);
    assert_int_equal(waits_ms[0], 10000);
}

static void how_it_ended_is_what_its_readiness_says(void **state)
{
    struct buf why;

    (void)state;
    buf_init(&why, 0);
    assert_false(pulse_works(1, &why));
    assert_string_equal(buf_cstr(&why), "starts");
    run_until(1);
    buf_reset(&why);
    assert_false(pulse_works(1, &why));
    assert_non_null(strstr(buf_cstr(&why), "ended with status 2"));
    buf_clear(&why);
}

static void when_all_end_none_is_started(void **state)
{
    (void)state;
    owner.is_ending = true;
    child_start(child);
    uv_close((uv_handle_t *)&child->restart, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    assert_int_equal(n_ends, 0);
    assert_int_equal(pulse_state_of(1), PULSE_STARTING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(
            one_that_dies_young_waits_twice_as_long_each_time, set_up),
        cmocka_unit_test_setup(one_that_has_worked_for_long_does_not_wait,
                               set_up),
        cmocka_unit_test_setup(no_wait_is_longer_than_ten_seconds, set_up),
        cmocka_unit_test_setup(how_it_ended_is_what_its_readiness_says, set_up),
        cmocka_unit_test_setup(when_all_end_none_is_started, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
