// SPDX-License-Identifier: MIT
// test_admission.c — whether there is room for a post: in the queue, on the disk, and in
// the share of its organization.
//
// The event log and the hooks are real.

#include <string.h>
#include <sys/wait.h>

#include "common/files/keyring.h"
#include "common/http/authentication.h"
#include "common/process/metrics.h"
#include "engine/ingest/admission.h"
#include "engine/ingest/patience.h"
#include "tests/support/http_loop_fixture.h"

#define MAP_BYTES (UINT64_C(64) << 20)
#define N_EVENTS  64
#define MIB       (UINT64_C(1) << 20)

// Globals, because the queue never closes what it opens.
static char dir[64];
static struct config config;
static struct queue_config queue;
static struct event_log *event_log;
static struct hook_store *hooks;
static struct org_quota orgs; // as it is at first
static uv_loop_t log_loop;
static struct admission admission;
static uint64_t log_bytes; // that the event log uses
static struct str asking;  // the organization of the request that is answered

// --- the data directory ---

static void on_appended(struct append *a, enum err err)
{
    (void)a;
    assert_int_equal(err, OK);
}

static void append_events(void)
{
    static char payload[8192] = "\"";
    struct new_event events[N_EVENTS];
    struct append a = { .events = events,
                        .n_events = N_EVENTS,
                        .done = on_appended };

    memset(payload + 1, 'x', sizeof(payload) - 2);
    payload[sizeof(payload) - 1] = '"';
    for (size_t i = 0; i < N_EVENTS; i++) {
        events[i] = (struct new_event){
            .event = { .accepted_at_us = clock_now_us(),
                       .dialect = DIALECT_PULUMI,
                       .kind = STR("stack_update"),
                       .org = STR("acme"),
                       .payload = { payload, sizeof(payload) } }
        };
    }
    event_log_append(event_log, &a);
    uv_run(&log_loop, UV_RUN_DEFAULT);
}

// The bytes of the queue, as a dispatcher would report them.
static int64_t reported_bytes;

static int report_bytes(void)
{
    int fds[3];

    // As a role gets them: one after the other.
    fds[0] = fcntl(metrics_board_fd(), F_DUPFD_CLOEXEC, 200);
    fds[1] = fcntl(metrics_page_fd(0), F_DUPFD_CLOEXEC, fds[0] + 1);
    fds[2] = fcntl(metrics_page_fd(1), F_DUPFD_CLOEXEC, fds[1] + 1);
    if (fds[2] != fds[1] + 1 || !metrics_attach(fds[0], fds[1], 1))
        return 1;
    metrics_gauge(GAUGE_QUEUE_BYTES, reported_bytes);
    return 0;
}

static void in_child(int (*run)(void))
{
    pid_t child = fork();
    int status = -1;

    assert_true(child >= 0);
    if (child == 0)
        _exit(run());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void dispatchers_report(int64_t n_bytes)
{
    reported_bytes = n_bytes;
    in_child(report_bytes);
}

static struct keyring *new_keys(void)
{
    char *path = keyring_path("", dir);
    struct keyring *keys = NULL;
    struct buf why;

    buf_init(&why, 0);
    if (keyring_make(path, &why) != OK || keyring_read(path, &keys, &why) != OK)
        fail_msg("%s", buf_cstr(&why));
    free(path);
    return keys;
}

static int make_directory(void **state)
{
    struct buf why;

    (void)state;
    buf_init(&why, 0);
    snprintf(dir, sizeof(dir), "/tmp/posthorn-admission-XXXXXX");
    assert_non_null(mkdtemp(dir));
    queue = (struct queue_config){ .data_dir = dir,
                                   .max_bytes = MAP_BYTES,
                                   .n_shards = 1,
                                   .keys = new_keys() };
    assert_true(metrics_create(2));
    metrics_name(0, "ingest", METRICS_INGEST);
    metrics_name(1, "dispatcher-0", METRICS_DISPATCHER);
    if (queue_prepare(&queue, &why) != OK)
        fail_msg("%s", buf_cstr(&why));
    uv_loop_init(&log_loop);
    assert_int_equal(event_log_open(&queue, &log_loop, &event_log), OK);
    append_events();
    assert_int_equal(event_log_usage(event_log, &log_bytes), OK);
    assert_true(log_bytes > sizeof("x") * 8192 * N_EVENTS / 2);
    assert_int_equal(hook_store_open(&queue, &log_loop, &hooks), OK);
    assert_int_equal(org_quota_init(&orgs, &queue), OK);
    return 0;
}

static int remove_directory(void **state)
{
    char *command = xasprintf("rm -rf %s", dir);

    (void)state;
    // A test's own directory. NOLINTNEXTLINE(cert-env33-c)
    assert_int_equal(system(command), 0);
    free(command);
    backlog_table_free(orgs.table);
    keyring_free(queue.keys);
    uv_loop_close(&log_loop);
    return 0;
}

static int begin(void **state)
{
    (void)state;
    config = (struct config){ .data_dir = dir,
                              .max_queue_bytes = MAP_BYTES,
                              .max_connections = 8,
                              .max_connections_per_organization = 1,
                              .admin_reserve_percent = 10 };
    admission = (struct admission){ .orgs = orgs };
    backlog_forget(orgs.table, 0);
    dispatchers_report(0);
    return 0;
}

static int end(void **state)
{
    (void)state;
    buf_clear(&admission.orgs.last_org);
    return 0;
}

// --- the queue ---

static void intake_stops_at_80_percent_of_the_queue_and_goes_on_below(void **s)
{
    struct quota *q = &admission.quota;

    (void)s;
    config.max_queue_bytes = log_bytes / 8 * 10; // log_bytes are whole pages
    quota_refresh(q, &config, event_log);
    assert_false(q->is_full);
    assert_int_equal(q->used_bytes, log_bytes);
    config.max_queue_bytes -= 10;
    quota_refresh(q, &config, event_log);
    assert_true(q->is_full);
    assert_false(q->is_disk_full);
    config.max_queue_bytes += 10;
    quota_refresh(q, &config, event_log);
    assert_false(q->is_full);
}

static void what_dispatchers_store_counts_too(void **s)
{
    struct quota *q = &admission.quota;

    (void)s;
    config.max_queue_bytes = log_bytes * 4;
    quota_refresh(q, &config, event_log);
    assert_false(q->is_full);
    dispatchers_report((int64_t)log_bytes * 3);
    quota_refresh(q, &config, event_log);
    assert_true(q->is_full);
    assert_int_equal(q->log_bytes, log_bytes);
    assert_int_equal(q->used_bytes, log_bytes * 4);
}

static void
more_than_80_percent_of_the_disk_is_full_whatever_the_setting(void **s)
{
    struct quota *q = &admission.quota;

    (void)s;
    config.max_queue_bytes = UINT64_MAX;
    dispatchers_report(INT64_MAX / 2);
    quota_refresh(q, &config, event_log);
    assert_true(q->is_full);
    assert_true(q->is_disk_full);
    dispatchers_report(0);
    quota_refresh(q, &config, event_log);
    assert_false(q->is_full);
    assert_false(q->is_disk_full);
}

// A burst of posts must not fill the queue between two checks by the clock.
static void what_is_appended_is_looked_at_before_it_can_fill_the_queue(void **s)
{
    struct quota *q = &admission.quota;

    (void)s;
    config.max_queue_bytes = 64 * MIB; // 1/64 is a MiB
    quota_add(q, &config, event_log, MIB - 1);
    assert_int_equal(q->used_bytes, 0);
    quota_add(q, &config, event_log, 1);
    assert_int_equal(q->used_bytes, log_bytes);
    assert_int_equal(q->n_appended_bytes, 0);
    *q = (struct quota){ .is_full = false };
    config.max_queue_bytes = MIB * 5 * 64; // of a large queue, after 4 MiB
    quota_add(q, &config, event_log, 4 * MIB - 1);
    assert_int_equal(q->used_bytes, 0);
    quota_add(q, &config, event_log, 1);
    assert_int_equal(q->used_bytes, log_bytes);
}

// --- organizations ---

static void on_written(void *data, const struct catalog_result *result)
{
    assert_int_equal(result->err, OK);
    if (result->hook != NULL)
        *(struct hook **)data = hook_copy(result->hook);
}

static struct hook new_hook(const char *org, const char *name)
{
    struct hook *made = NULL;
    const struct catalog_caller caller = { .done = on_written, .data = &made };
    struct hook hook = { .scope = { .dialect = DIALECT_PULUMI,
                                    .level = LEVEL_ORGANIZATION,
                                    .org = str_of(org) },
                         .name = str_of(name),
                         .display_name = STR("d"),
                         .url = STR("http://x/"),
                         .format = FORMAT_RAW,
                         .active = true };

    hook.paused = strcmp(name, "paused") == 0;
    hook_create(hooks, &hook, &caller);
    uv_run(&log_loop, UV_RUN_DEFAULT);
    hook.no = made->no;
    hook.org_id = made->org_id;
    hook_free(made);
    return hook;
}

static void wait_for_hook(const struct hook *hook, uint64_t n_rows,
                          uint64_t n_bytes)
{
    const struct org_backlog b = { .org_id = hook->org_id,
                                   .n_rows = n_rows,
                                   .n_bytes = n_bytes,
                                   .fullest = {
                                       { hook->no, n_rows, n_bytes } } };
    struct buf frame;

    buf_init(&frame, 0);
    org_backlog_pack(&frame, &b);
    assert_true(backlog_take(admission.orgs.table, 0, buf_str(&frame)));
    buf_clear(&frame);
}

static bool admits(const char *org, struct buf *why)
{
    buf_reset(why);
    return org_quota_admits(&admission.orgs, &config, DIALECT_PULUMI,
                            str_of(org), why);
}

static void only_the_organization_whose_backlog_is_full_is_refused(void **s)
{
    struct hook full = new_hook("full", "paused");
    struct hook other = new_hook("other", "a");
    const struct catalog_caller caller = { .done = on_written };
    struct buf why;

    (void)s;
    buf_init(&why, 0);
    config.max_queue_bytes_per_organization = 300000;
    wait_for_hook(&other, 1, 100);
    wait_for_hook(&full, 100, 300000 - 25600 - 1);
    org_quota_refresh(&admission.orgs, &config, UINT64_MAX);
    assert_true(admits("full", &why));
    wait_for_hook(&full, 100, 300000 - 25600);
    org_quota_refresh(&admission.orgs, &config, UINT64_MAX);
    assert_false(admits("full", &why));
    assert_non_null(strstr(buf_cstr(&why), "organization full fills its"));
    assert_non_null(
        strstr(buf_cstr(&why), "for webhook paused, which is paused"));
    assert_null(strstr(buf_cstr(&why), "other"));
    assert_true(admits("other", &why));
    assert_true(admits("new", &why)); // it has no number, so nothing waits
    assert_int_equal(why.n_bytes, 0);
    hook_delete(hooks, &full.scope, full.name, 0, &caller);
    uv_run(&log_loop, UV_RUN_DEFAULT);
    assert_false(admits("full", &why));
    assert_non_null(strstr(buf_cstr(&why), "webhook that was deleted"));
    wait_for_hook(&full, 0, 0);
    org_quota_refresh(&admission.orgs, &config, UINT64_MAX);
    assert_true(admits("full", &why));
    buf_clear(&why);
}

static void an_organization_without_number_is_asked_again(void **s)
{
    struct org_quota *q = &admission.orgs;
    struct hook hook;
    uint64_t no;

    (void)s;
    assert_int_equal(org_quota_number(q, DIALECT_PULUMI, STR("late")), 0);
    hook = new_hook("late", "a");
    no = org_quota_number(q, DIALECT_PULUMI, STR("late"));
    assert_int_equal(no, hook.org_id);
    // Neither another organization nor its namesake of the other API has it.
    assert_int_equal(org_quota_number(q, DIALECT_PULUMI, STR("lat")), 0);
    assert_int_equal(org_quota_number(q, DIALECT_PULUMI, STR("late")), no);
    assert_int_equal(org_quota_number(q, DIALECT_AKINON, STR("late")), 0);
    assert_int_equal(org_quota_number(q, DIALECT_PULUMI, STR("late")), no);
}

static const char *share_of(const char *org, struct buf *why)
{
    buf_reset(why);
    org_quota_put_share(&admission.orgs, 1000000, DIALECT_PULUMI, str_of(org),
                        why);
    return buf_cstr(why);
}

static void
a_full_queue_tells_an_organization_whether_it_is_the_reason(void **s)
{
    struct hook mine = new_hook("mine", "a");
    struct hook small = new_hook("small", "a");
    struct buf why;

    (void)s;
    buf_init(&why, 0);
    wait_for_hook(&mine, 1, 1000); // less than half of what is used
    org_quota_refresh(&admission.orgs, &config, UINT64_MAX);
    assert_string_equal(share_of("mine", &why), "");
    wait_for_hook(&small, 1, 1000);
    wait_for_hook(&mine, 1, 900000);
    org_quota_refresh(&admission.orgs, &config, UINT64_MAX);
    assert_non_null(
        strstr(share_of("mine", &why), "organization mine fills most; "));
    assert_non_null(strstr(buf_cstr(&why), "wait for webhook a"));
    // Who else has a backlog is not for others to know.
    assert_string_equal(share_of("stranger", &why),
                        ", which what waits for other organizations fills");
    assert_string_equal(share_of("small", &why),
                        ", which what waits for other organizations fills");
    buf_clear(&why);
}

static void the_log_names_a_full_organization_once_a_minute(void **s)
{
    struct org_quota *q = &admission.orgs;
    struct hook one = new_hook("one", "a");
    struct hook two = new_hook("two", "a");
    int64_t logged_at_us;

    (void)s;
    config.max_queue_bytes_per_organization = 1000;
    wait_for_hook(&two, 1, 500);
    org_quota_refresh(q, &config, UINT64_MAX);
    assert_int_equal(q->logged_no, 0); // there is none
    wait_for_hook(&one, 1, 5000);
    org_quota_refresh(q, &config, UINT64_MAX);
    assert_int_equal(q->logged_no, one.org_id);
    assert_int_equal(metrics_gauge_of(0, GAUGE_ORGS_FULL), 1);
    logged_at_us = q->logged_at_us;
    org_quota_refresh(q, &config, UINT64_MAX);
    assert_int_equal(q->logged_at_us, logged_at_us);
    wait_for_hook(&two, 1, 9000);
    org_quota_refresh(q, &config, UINT64_MAX);
    assert_int_equal(q->logged_no, two.org_id);
    assert_int_equal(metrics_gauge_of(0, GAUGE_ORGS_FULL), 2);
    q->logged_at_us -= 60000000;
    logged_at_us = q->logged_at_us;
    org_quota_refresh(q, &config, UINT64_MAX);
    assert_true(q->logged_at_us > logged_at_us);
    wait_for_hook(&one, 0, 0);
    wait_for_hook(&two, 0, 0);
    org_quota_refresh(q, &config, UINT64_MAX);
    assert_int_equal(metrics_gauge_of(0, GAUGE_ORGS_FULL), 0);
    assert_int_equal(q->fullest_no, 0);
}

// --- answers ---

// "/judge" asks for room; any other counts as a request in work until it is answered.
static void on_asked(struct fixture *f, struct http_request *r)
{
    struct http_response ok = { .status = 200 };
    struct auth_grant grant;

    auth_grant_set(&grant, asking, 1, 0);
    grant.is_admin = str_starts(r->path, STR("/admin"));
    if (str_is(r->path, "/judge")) {
        if (admission_check(&admission, &config, r, DIALECT_PULUMI, asking))
            http_respond(r, &ok);
    } else if (admission_hold(&admission, &config, r, &grant)) {
        f->held[f->n_held++] = r;
    }
}

static void
what_does_not_fit_is_refused_with_the_reason_and_when_to_return(void **s)
{
    struct hook full = new_hook("lasting", "a");
    struct client *c;
    struct fixture f;

    (void)s;
    start(&f, &http_default_limits);
    f.answer_other = on_asked;
    asking = STR("lasting");
    config.max_queue_bytes_per_organization = 1000;
    admission_refresh(&admission, &config, event_log);
    c = dial(&f, 0, GET("/judge"));
    UNTIL(&f, has(c, "HTTP/1.1 200"));
    wait_for_hook(&full, 1, 5000);
    admission_refresh(&admission, &config, event_log);
    c = dial(&f, 1, GET("/judge"));
    UNTIL(&f, has(c, "post again later"));
    assert_true(has(c, "HTTP/1.1 503"));
    assert_true(has(c, "Retry-After: 30\r\n"));
    assert_true(has(c, "organization lasting fills its quota"));
    config.max_queue_bytes = log_bytes;
    admission_refresh(&admission, &config, event_log);
    assert_true(admission.was_full);
    c = dial(&f, 2, GET("/judge"));
    UNTIL(&f, has(c, "post again later"));
    assert_true(has(c, "HTTP/1.1 503"));
    assert_true(has(c, "Retry-After: 5\r\n"));
    assert_true(has(c, "the queue is at its quota"));
    assert_int_equal(metrics_sum_counter(COUNTER_REFUSED_ORG_QUOTA, NULL), 1);
    assert_int_equal(metrics_sum_counter(COUNTER_REFUSED_QUOTA, NULL), 1);
    stop(&f);
}

static void one_organization_holds_only_its_share_of_the_requests(void **s)
{
    struct client *refused, *again;
    struct fixture f;

    (void)s;
    (void)new_hook("busy", "a");
    (void)new_hook("calm", "a");
    start(&f, &http_default_limits);
    f.answer_other = on_asked;
    asking = STR("busy");
    dial(&f, 0, GET("/post-a"));
    UNTIL(&f, f.n_held == 1);
    refused = dial(&f, 1, GET("/post-b"));
    UNTIL(&f, has(refused, "requests in work"));
    assert_true(has(refused, "HTTP/1.1 429"));
    assert_true(has(refused, "Retry-After: 1\r\n"));
    asking = STR("calm");
    dial(&f, 2, GET("/post-c"));
    UNTIL(&f, f.n_held == 2);
    asking = STR("busy");
    dial(&f, 3, GET("/admin"));
    UNTIL(&f, f.n_held == 3);
    answer(&f, 0);
    UNTIL(&f, has(&f.clients[0], "held"));
    again = dial(&f, 4, GET("/post-d"));
    UNTIL(&f, f.n_held == 4);
    for (size_t i = 1; i < 4; i++)
        answer(&f, i);
    UNTIL(&f, has(again, "held"));
    stop(&f);
}

static void a_part_of_the_requests_is_for_the_admin_token_alone(void **s)
{
    struct client *refused, *admin;
    struct fixture f;

    (void)s;
    (void)new_hook("first", "a");
    (void)new_hook("second", "a");
    config.max_connections = 2;
    start(&f, &http_default_limits);
    f.answer_other = on_asked;
    asking = STR("first");
    dial(&f, 0, GET("/post-a"));
    UNTIL(&f, f.n_held == 1);
    asking = STR("second");
    refused = dial(&f, 1, GET("/post-b"));
    UNTIL(&f, has(refused, "HTTP/1.1 429"));
    admin = dial(&f, 2, GET("/admin"));
    UNTIL(&f, f.n_held == 2);
    answer(&f, 0);
    answer(&f, 1);
    UNTIL(&f, has(admin, "held"));
    stop(&f);
}

// --- waiting with a limit ---

struct waiter {
    struct patience *patience;
    struct patient patient;
    int over; // 0: not yet; else the place in the order of those that gave up
};

static int n_over;

static void on_over(void *data)
{
    struct waiter *w = data;

    assert_false(w->patient.is_waiting);
    w->over = ++n_over;
}

static void who_waits_too_long_gives_up_in_the_order_of_coming(void **s)
{
    struct waiter w[4] = { { .over = 0 } };
    struct patience p;
    uv_loop_t loop;

    (void)s;
    n_over = 0;
    assert_int_equal(uv_loop_init(&loop), 0);
    patience_init(&p, &loop, 1000, on_over);
    for (size_t i = 0; i < 4; i++)
        patience_begin(&p, &w[i].patient, &w[i]);
    patience_end(&p, &w[1].patient); // from the middle
    patience_end(&p, &w[1].patient); // twice does nothing
    patience_end(&p, &w[3].patient); // from the end
    patience_begin(&p, &w[3].patient, &w[3]);
    uv_run(&loop, UV_RUN_DEFAULT); // ends, since nobody waits any more
    assert_int_equal(n_over, 3);
    assert_int_equal(w[0].over, 1);
    assert_int_equal(w[2].over, 2);
    assert_int_equal(w[3].over, 3);
    assert_false(uv_is_active((uv_handle_t *)&p.timer));
    patience_begin(&p, &w[1].patient, &w[1]);
    patience_end(&p, &w[1].patient);
    assert_false(uv_is_active((uv_handle_t *)&p.timer));
    uv_close((uv_handle_t *)&p.timer, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

#define EACH(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(intake_stops_at_80_percent_of_the_queue_and_goes_on_below),
        EACH(what_dispatchers_store_counts_too),
        EACH(more_than_80_percent_of_the_disk_is_full_whatever_the_setting),
        EACH(what_is_appended_is_looked_at_before_it_can_fill_the_queue),
        EACH(only_the_organization_whose_backlog_is_full_is_refused),
        EACH(an_organization_without_number_is_asked_again),
        EACH(a_full_queue_tells_an_organization_whether_it_is_the_reason),
        EACH(the_log_names_a_full_organization_once_a_minute),
        EACH(what_does_not_fit_is_refused_with_the_reason_and_when_to_return),
        EACH(one_organization_holds_only_its_share_of_the_requests),
        EACH(a_part_of_the_requests_is_for_the_admin_token_alone),
        cmocka_unit_test(who_waits_too_long_gives_up_in_the_order_of_coming),
    };

    return cmocka_run_group_tests_name("admission", tests, make_directory,
                                       remove_directory);
}
