// SPDX-License-Identifier: MIT
// test_org_ages.c — old events of an organization with a retention of its own leave the log,
// and none that a delivery needs.

#include "common/base/codec.h"
#include "queue/records/schema.h"
#include "tests/support/queue_fixture.h"

#define N_EVENTS 1500
#define N_LATE   5
#define OWN_MS   1000

static struct new_event events[N_EVENTS];

static void keep_for_a_second(struct fixture *f, const char *org)
{
    const struct org_retention own = { .delivered_ms = OWN_MS,
                                       .dead_ms = OWN_MS };
    struct org_value_put put = { .dialect = DIALECT_PULUMI,
                                 .org = str_of(org),
                                 .use = ORG_RETENTION,
                                 .revision = ORG_VALUE_ANY };
    struct written w;
    const struct catalog_caller caller = caller_of(&w);
    struct buf bytes;

    buf_init(&bytes, 0);
    org_retention_put(&own, &bytes);
    put.bytes = buf_str(&bytes);
    org_value_put(f->hooks, &put, &caller);
    assert_int_equal(outcome(f, &w), OK);
    buf_clear(&bytes);
}

static struct hook hook_of(const char *name)
{
    return (struct hook){ .scope = { .dialect = DIALECT_PULUMI,
                                     .level = LEVEL_ORGANIZATION,
                                     .org = STR("acme") },
                          .name = str_of(name),
                          .display_name = STR("d"),
                          .url = STR("http://localhost/"),
                          .format = FORMAT_RAW,
                          .active = true };
}

// Events of ten seconds ago.
static void append_old(struct fixture *f)
{
    struct append a;

    for (size_t i = 0; i < N_EVENTS; i++) {
        events[i] = event_of("a.b", "x");
        events[i].event.accepted_at_us -= 10000000;
    }
    assert_int_equal(append(f, events, N_EVENTS, &a), OK);
}

// The dispatcher passes the events from `from` on, up to `to`; each `nth` waits for a
// retry to the hook. 0: none does.
static void pass(struct fixture *f, size_t from, size_t to, uint64_t hook,
                 size_t nth)
{
    struct shard_batch *c = shard_batch_new();
    struct listed_row row = {
        .dialect = DIALECT_PULUMI, .org = STR("acme"), .newest_us = 1, .n = 1
    };

    for (size_t i = from; i < to; i++) {
        uint64_t number = get_be64(events[i].event.position.bytes);

        row.block = number / LISTED_BLOCK;
        row.events[0] = (struct listed_event){ .number = number };
        batch_listed_put(c, &row);
        if (nth > 0 && i % nth == 0) {
            const struct due_row due = { .hook_id = hook,
                                         .due_at_ms = 1,
                                         .position = events[i].event.position };

            batch_due_put(c, &due);
        }
    }
    batch_cursor(c, events[to - 1].event.position);
    commit(f, c);
    shard_batch_free(c);
}

static void trim(struct fixture *f, int64_t now_us, size_t max)
{
    const struct org_settings settings = { .now_us = now_us,
                                           .delivered_ms = 1000000000,
                                           .dead_ms = 1000000000 };
    const struct event_retention keep = { .now_us = now_us,
                                          .max_bytes = UINT64_MAX };

    event_log_keep_orgs(f->log, f->hooks, &settings);
    event_log_trim(f->log, &keep, max);
}

static bool is_there(struct fixture *f, size_t i)
{
    struct seen seen = { 0 };

    return event_view_get(f->view, events[i].event.position, on_event, &seen) ==
           OK;
}

static size_t count(struct fixture *f, size_t from, size_t to)
{
    size_t n = 0;

    for (size_t i = from; i < to; i++)
        n += is_there(f, i);
    return n;
}

static void what_nothing_needs_leaves(void **state)
{
    struct fixture *f = *state;
    struct hook hook = hook_of("one");
    int64_t now_us = clock_now_us();

    assert_int_equal(create_hook(f, &hook), OK);
    keep_for_a_second(f, "acme");
    append_old(f);
    pass(f, 0, N_EVENTS, hook.no, 60);
    for (unsigned i = 0; i < 4;
         i++) { // neighbours of what is needed take a second look
        trim(f, now_us, 100);
        uv_run(&f->loop, UV_RUN_DEFAULT);
        now_us += 20000000;
    }
    assert_int_equal(count(f, 0, N_EVENTS), N_EVENTS / 60);
    for (size_t i = 0; i < N_EVENTS; i += 60)
        assert_true(is_there(f, i));
}

// What is needed was read in an earlier step than the one that looks at the event.
static void what_is_passed_during_a_look_stays(void **state)
{
    struct fixture *f = *state;
    struct hook hook = hook_of("one");
    int64_t now_us = clock_now_us();
    size_t n_before = N_EVENTS - N_LATE;

#ifdef __SANITIZE_THREAD__
    skip(); // ingest and a dispatcher write here at once, and note it in one page of blame
#endif
    assert_int_equal(create_hook(f, &hook), OK);
    keep_for_a_second(f, "acme");
    append_old(f);
    pass(f, 0, n_before, hook.no, 60);
    trim(f, now_us, 100);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    now_us += 20000000;
    trim(f, now_us, 10); // in many steps
    for (unsigned i = 0; i < 6; i++)
        uv_run(&f->loop, UV_RUN_ONCE);
    assert_in_range(count(f, 0, n_before), n_before / 60 + 2, n_before);
    pass(f, n_before, N_EVENTS, hook.no, 1);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    for (unsigned i = 0; i < 3; i++) {
        now_us += 20000000;
        trim(f, now_us, 100);
        uv_run(&f->loop, UV_RUN_DEFAULT);
    }
    assert_int_equal(count(f, n_before, N_EVENTS), N_LATE);
    assert_int_equal(count(f, 0, n_before), (n_before + 59) / 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_nothing_needs_leaves, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_is_passed_during_a_look_stays,
                                        set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
