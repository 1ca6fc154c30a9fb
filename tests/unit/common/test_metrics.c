// SPDX-License-Identifier: MIT
// test_metrics.c — what roles count: summed, bounded, and printed.

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/process/metrics.h"
#include "common/process/metrics_text.h"
#include "tests/support/unit.h"

#define N_SLOTS  3 // of the supervisor, ingest and a sender
#define INGEST   1
#define SENDER   2
#define FIRST_FD 200

static int set_up(void **state)
{
    (void)state;
    if (!metrics_create(N_SLOTS))
        return -1;
    metrics_name(0, "supervisor", METRICS_SUPERVISOR);
    metrics_name(INGEST, "ingest", METRICS_INGEST);
    metrics_name(SENDER, "sender.0", METRICS_SENDER);
    return 0;
}

// Attaches as a role does: the board and all pages, by consecutive descriptors.
static bool attach(unsigned slot)
{
    dup2(metrics_board_fd(), FIRST_FD);
    for (size_t i = 0; i < N_SLOTS; i++)
        dup2(metrics_page_fd(i), FIRST_FD + 1 + (int)i);
    return metrics_attach(FIRST_FD, FIRST_FD + 1, slot);
}

// Calls `run` in a process that has attached to the slot; returns how the process
// ended.
static int in_role(unsigned slot, void (*run)(void))
{
    int status = 0;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        bool is_there = slot == SENDER
                            ? metrics_attach_alone(dup(metrics_page_fd(slot)))
                            : attach(slot);

        signal(SIGSEGV, SIG_DFL);
        if (is_there)
            run();
        _exit(is_there ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void count_as_ingest(void)
{
    metrics_count(COUNTER_EVENTS_ACCEPTED, 3);
    metrics_gauge(GAUGE_QUEUE_BYTES, 7);
    metrics_gauge(GAUGE_HTTP_CONNECTIONS, 5);
    metrics_gauge(GAUGE_FULLEST_PERCENT, 37);
    metrics_observe_us(HISTOGRAM_COMMIT_SECONDS, 100);
    metrics_observe_us(HISTOGRAM_COMMIT_SECONDS, 101);
    metrics_observe_us(HISTOGRAM_COMMIT_SECONDS, 3600000000);
}

static void what_a_role_counts_outlives_it(void **state)
{
    (void)state;
    assert_int_equal(in_role(INGEST, count_as_ingest), 0);
    assert_int_equal(metrics_gauge_of(INGEST, GAUGE_HTTP_CONNECTIONS), 5);
    metrics_clear_process(INGEST);
    assert_int_equal(metrics_gauge_of(INGEST, GAUGE_HTTP_CONNECTIONS), 0);
    assert_int_equal(metrics_gauge_of(INGEST, GAUGE_QUEUE_BYTES), 7);
    assert_int_equal(in_role(INGEST, count_as_ingest), 0);
    assert_int_equal(metrics_sum_counter(COUNTER_EVENTS_ACCEPTED, NULL), 6);
}

static void sums_are_of_the_roles_that_are_named(void **state)
{
    (void)state;
    assert_int_equal(in_role(INGEST, count_as_ingest), 0);
    metrics_count(COUNTER_EVENTS_ACCEPTED, 1000); // the supervisor's own
    metrics_count_for(INGEST, COUNTER_RESTARTS, 2);
    assert_int_equal(metrics_sum_counter(COUNTER_EVENTS_ACCEPTED, "ingest"), 3);
    assert_int_equal(metrics_sum_counter(COUNTER_EVENTS_ACCEPTED, NULL), 1003);
    assert_int_equal(metrics_sum_counter(COUNTER_RESTARTS, "ingest"), 2);
    assert_int_equal(metrics_sum_counter(COUNTER_RESTARTS, "sender"), 0);
    assert_int_equal(metrics_sum_gauge(GAUGE_QUEUE_BYTES, "dispatcher"), 0);
}

static void lie_as_sender(void)
{
    metrics_count(COUNTER_EVENTS_ACCEPTED, 99);
    metrics_gauge(GAUGE_DUE, 99);
    metrics_gauge(GAUGE_PID, 1);
    metrics_gauge(GAUGE_ATTEMPTS_IN_FLIGHT, INT64_MAX);
    metrics_gauge(GAUGE_RESIDENT_BYTES, -5);
    metrics_observe_us(HISTOGRAM_COMMIT_SECONDS, 1);
    metrics_observe_us(HISTOGRAM_ATTEMPT_SECONDS, 1);
}

static void a_sender_says_only_what_senders_count(void **state)
{
    (void)state;
    assert_int_equal(in_role(SENDER, lie_as_sender), 0);
    assert_int_equal(metrics_sum_counter(COUNTER_EVENTS_ACCEPTED, NULL), 0);
    assert_int_equal(metrics_gauge_of(SENDER, GAUGE_DUE), 0);
    assert_int_equal(metrics_gauge_of(SENDER, GAUGE_PID), 0);
    assert_int_equal(metrics_gauge_of(SENDER, GAUGE_RESIDENT_BYTES), 0);
    metrics_gauge(GAUGE_ATTEMPTS_IN_FLIGHT, INT64_MAX); // of another role
    assert_true(metrics_sum_gauge(GAUGE_ATTEMPTS_IN_FLIGHT, NULL) > 0);
}

static void rename_itself(void)
{
    metrics_name(INGEST, "supervisor", METRICS_SUPERVISOR);
}

static void a_role_cannot_write_the_board(void **state)
{
    int status = in_role(INGEST, rename_itself);

    (void)state;
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSEGV);
    assert_string_equal(metrics_slot_name(INGEST), "ingest");
}

static bool only_ingest_works(size_t slot, struct buf *why)
{
    assert_null(why);
    return slot == INGEST;
}

static size_t count_of(const char *text, const char *part)
{
    size_t n = 0;

    while ((text = strstr(text, part)) != NULL) {
        text += strlen(part);
        n++;
    }
    return n;
}

static void the_page_has_each_family_once_and_each_role(void **state)
{
    static const char *const lines[] = {
        "posthorn_events_accepted_total{role=\"ingest\"} 3\n",
        "posthorn_events_refused_total{reason=\"quota\",role=\"ingest\"} 0\n",
        "posthorn_role_ready{role=\"ingest\"} 1\n",
        "posthorn_role_ready{role=\"sender.0\"} 0\n",
        "posthorn_commit_duration_seconds_bucket{role=\"ingest\",le=\"0.0001\"}"
        " 1\n",
        "posthorn_commit_duration_seconds_bucket{role=\"ingest\",le=\"30\"} "
        "2\n",
        "posthorn_commit_duration_seconds_bucket{role=\"ingest\",le=\"+Inf\"} "
        "3\n",
        "posthorn_commit_duration_seconds_count{role=\"ingest\"} 3\n",
        "posthorn_commit_duration_seconds_sum{role=\"ingest\"} 3600.000201\n",
        "posthorn_attempt_duration_seconds_count{role=\"sender.0\"} 1\n",
        "posthorn_attempt_phase_duration_seconds_bucket{phase=\"tls\","
        "role=\"sender.0\",le=\"0.0001\"} 0\n",
        "posthorn_backlog_fullest_ratio{role=\"ingest\"} 0.37\n",
        "posthorn_build_info{version=\"" POSTHORN_VERSION "\"} 1\n",
        "# TYPE posthorn_events_refused_total counter\n",
        "# TYPE posthorn_role_ready gauge\n",
        "# TYPE posthorn_commit_duration_seconds histogram\n",
    };
    // Only who can have a series has one, and none tells of a certificate that is not
    // there.
    static const char *const not_there[] = {
        "accepted_total{role=\"s",
        "commit_duration_seconds_count{role=\"sender.0\"}",
        "role_restarts_total{role=\"supervisor\"}",
        "posthorn_log_matched_position{",
        "posthorn_listener_certificate_expiry_timestamp_seconds{",
    };
    struct buf out;

    (void)state;
    assert_int_equal(in_role(INGEST, count_as_ingest), 0);
    assert_int_equal(in_role(SENDER, lie_as_sender), 0);
    buf_init(&out, 0);
    metrics_render(&out, only_ingest_works);
    for (size_t i = 0; i < sizeof(not_there) / sizeof(not_there[0]); i++)
        assert_int_equal(count_of(buf_cstr(&out), not_there[i]), 0);
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        if (count_of(buf_cstr(&out), lines[i]) != 1)
            fail_msg("not there once: %s", lines[i]);
    }
    buf_clear(&out);
}

static void age_as_dispatcher(void)
{
    metrics_gauge(GAUGE_OLDEST_DUE, clock_now_ms() - 5000);
}

// The age is that of the moment when the page is read, even if its role hangs.
static void an_age_grows_by_itself(void **state)
{
    static const char name[] = "posthorn_oldest_due_age_seconds{role=\"d\"} ";
    const char *at;
    struct buf out;

    (void)state;
    metrics_name(INGEST, "d", METRICS_DISPATCHER);
    buf_init(&out, 0);
    metrics_render(&out, only_ingest_works);
    assert_non_null(strstr(buf_cstr(&out), name));
    assert_true(strtod(strstr(buf_cstr(&out), name) + strlen(name), NULL) == 0);
    assert_int_equal(in_role(INGEST, age_as_dispatcher), 0);
    buf_reset(&out);
    metrics_render(&out, only_ingest_works);
    at = strstr(buf_cstr(&out), name) + strlen(name);
    assert_true(strtod(at, NULL) >= 5 && strtod(at, NULL) < 60);
    buf_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_a_role_counts_outlives_it, set_up),
        cmocka_unit_test_setup(sums_are_of_the_roles_that_are_named, set_up),
        cmocka_unit_test_setup(a_sender_says_only_what_senders_count, set_up),
        cmocka_unit_test_setup(a_role_cannot_write_the_board, set_up),
        cmocka_unit_test_setup(the_page_has_each_family_once_and_each_role,
                               set_up),
        cmocka_unit_test_setup(an_age_grows_by_itself, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
