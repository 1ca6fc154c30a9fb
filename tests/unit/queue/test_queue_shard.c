// SPDX-License-Identifier: MIT
// test_queue_shard.c — the contract of a shard and of verify, through queue.h alone.

#include "tests/support/queue_fixture.h"

static enum err read_rows(struct fixture *f, const struct due_row *after,
                          int64_t until_ms, struct due_row *rows, size_t max,
                          size_t *n)
{
    struct due_query query = { .hook_id = 1,
                               .after = after,
                               .until_ms = until_ms };

    return shard_due_read(f->shard, &query, rows, max, n);
}

static void due_rows_are_read_by_hook_in_due_order(void **state)
{
    struct fixture *f = *state;
    struct shard_batch *c = shard_batch_new();
    struct due_row all[] = { due(2, 300, 1), due(1, 200, 5), due(1, 100, 7),
                             due(1, 100, 6), due(3, 50, 2) };
    struct due_row rows[10];
    size_t n;

    for (size_t i = 0; i < 5; i++)
        batch_due_put(c, &all[i]);
    batch_cursor(c, nth(7));
    commit(f, c);
    assert_int_equal(read_rows(f, NULL, 1000, rows, 10, &n), OK);
    assert_int_equal(n, 3);
    assert_int_equal(position_cmp(rows[0].position, nth(6)), 0);
    assert_int_equal(position_cmp(rows[2].position, nth(5)), 0);
    assert_int_equal(rows[0].n_attempts, 2);
    assert_int_equal(rows[0].queue_us, 55);
    assert_int_equal(read_rows(f, NULL, 150, rows, 10, &n), OK);
    assert_int_equal(n, 2);
    assert_int_equal(read_rows(f, &rows[0], 1000, rows, 1, &n), OK);
    assert_int_equal(n, 1);
    assert_int_equal(position_cmp(rows[0].position, nth(7)), 0);
    batch_due_del(c, &all[2]);
    batch_due_del(c, &all[2]); // what is not there is no error
    commit(f, c);
    assert_int_equal(read_rows(f, NULL, 1000, rows, 10, &n), OK);
    assert_int_equal(n, 2);
    assert_int_equal(position_cmp(shard_cursor(f->shard), nth(7)), 0);
    shard_batch_free(c);
}

static void on_due_hook(void *data, uint64_t hook_id, int64_t first_due_at_ms)
{
    int64_t *sum = data;

    *sum = *sum * 1000 + (int64_t)hook_id * 100 + first_due_at_ms;
}

static void hooks_with_due_rows_are_found_by_a_seek_each(void **state)
{
    struct fixture *f = *state;
    struct shard_batch *c = shard_batch_new();
    struct due_row all[] = { due(1, 9, 1), due(1, 3, 2), due(4, 5, 3) };
    int64_t sum = 0;

    for (size_t i = 0; i < 3; i++)
        batch_due_put(c, &all[i]);
    commit(f, c);
    assert_int_equal(shard_due_hooks(f->shard, on_due_hook, &sum), OK);
    assert_int_equal(sum, 103 * 1000 + 405);
    shard_batch_free(c);
}

#define ORG       (UINT64_C(1) << 63 | 7)
#define FIRST_ORG (UINT64_C(1) << 63)

static struct attempt attempt_of(uint64_t hook_id, uint16_t code)
{
    return (struct attempt){
        .hook_id = hook_id,
        .org_id = ORG,
        .position = nth(1),
        .kind = STR("a.b"),
        .started_at_us = 1000,
        .attempt = 1,
        .state = code == 200 ? DELIVERY_DELIVERED : DELIVERY_RETRYING,
        .error = code == 200 ? ERROR_NONE : ERROR_STATUS,
        .response_code = code,
        .timing = { .queue_us = 1, .total_us = 2, .reused_connection = true },
        .request_url = STR("http://x/"),
        .request_headers = STR("A: b\r\n"),
        .response_headers = STR("C: d\r\n"),
        .response_body = STR("ok"),
    };
}

struct page {
    size_t n;
    uint64_t nos[16];
    uint16_t codes[16];
};

static bool on_attempt(void *data, uint64_t no, const struct attempt *a)
{
    struct page *p = data;

    p->nos[p->n] = no;
    p->codes[p->n] = a->response_code;
    p->n++;
    assert_true(str_is(a->request_headers, "A: b\r\n"));
    assert_true(str_is(a->response_body, "ok"));
    assert_true(a->timing.reused_connection);
    return true;
}

static void history_is_read_newest_first_and_by_pages(void **state)
{
    struct fixture *f = *state;
    struct shard_batch *c = shard_batch_new();
    struct shard_view *view;
    struct history_query query = { .owner_no = 1, .max_rows = 20 };
    struct page page = { 0 };

    for (uint16_t i = 0; i < 5; i++) {
        struct attempt mine = attempt_of(1, (uint16_t)(500 + i));
        struct attempt other = attempt_of(2, 200);

        batch_attempt(c, &mine);
        batch_attempt(c, &other);
    }
    commit(f, c);
    assert_int_equal(shard_view_open(&f->config, 0, &view), OK);
    assert_int_equal(history_scan(view, &query, on_attempt, &page), OK);
    assert_int_equal(page.n, 2);
    assert_int_equal(page.codes[0], 504);
    query.from_no = page.nos[1];
    query.max_rows = 1000;
    page.n = 0;
    assert_int_equal(history_scan(view, &query, on_attempt, &page), OK);
    assert_int_equal(page.n, 3);
    assert_int_equal(page.codes[0], 502);
    assert_int_equal(page.codes[2], 500);
    query = (struct history_query){ .owner_no = 99, .max_rows = 1000 };
    page.n = 0;
    assert_int_equal(history_scan(view, &query, on_attempt, &page), OK);
    assert_int_equal(page.n, 0);
    shard_batch_free(c);
}

static void history_of_one_event_is_found_without_the_rest(void **state)
{
    struct fixture *f = *state;
    struct shard_batch *c = shard_batch_new();
    struct position second = nth(2), ping = position_start;
    struct history_query query = { .owner_no = 1, .max_rows = 1000 };
    struct shard_view *view;
    struct page page = { 0 };

    for (uint64_t i = 0; i < 8; i++) {
        struct attempt a = attempt_of(1 + i % 2, (uint16_t)(200 + i));

        a.position = i < 6 ? nth(i / 2 % 2 + 1) : position_start;
        batch_attempt(c, &a);
    }
    commit(f, c);
    assert_int_equal(shard_view_open(&f->config, 0, &view), OK);
    query.event = &second;
    assert_int_equal(history_scan(view, &query, on_attempt, &page), OK);
    assert_int_equal(page.n, 1);
    assert_int_equal(page.codes[0], 202);
    query.owner_no = 2;
    query.event = &ping;
    page.n = 0;
    assert_int_equal(history_scan(view, &query, on_attempt, &page), OK);
    assert_int_equal(page.n, 1);
    assert_int_equal(page.codes[0], 207);
    query.event = &(struct position){ { 0, 0, 0, 0, 0, 0, 0, 1 } };
    page.n = 0;
    assert_int_equal(history_scan(view, &query, on_attempt, &page), OK);
    assert_int_equal(page.n, 2); // 205 and 201, newest first
    assert_int_equal(page.codes[0], 205);
    assert_int_equal(page.codes[1], 201);
    shard_batch_free(c);
}

static void counts_are_kept_with_the_rows(void **state)
{
    struct fixture *f = *state;
    struct shard_batch *c = shard_batch_new();
    struct due_row row = due(1, 5, 1);
    struct dead_row dead = { .hook_id = 1, .position = nth(2) };
    struct dead_row back;
    struct shard_counts counts;

    batch_due_put(c, &row);
    batch_dead_put(c, &dead);
    batch_count(c, COUNT_MATCHED, 3);
    batch_count(c, COUNT_DELIVERED, 1);
    commit(f, c);
    assert_int_equal(shard_counts(f->shard, &counts), OK);
    assert_int_equal(counts.counts[COUNT_MATCHED], 3);
    assert_int_equal(counts.n_due, 1);
    assert_int_equal(counts.n_dead, 1);
    assert_int_equal(shard_dead_get(f->shard, 1, nth(2), &back), OK);
    assert_int_equal(shard_dead_get(f->shard, 1, nth(3), &back), ERR_NOTFOUND);
    batch_dead_del(c, 1, nth(2));
    commit(f, c);
    assert_int_equal(shard_dead_get(f->shard, 1, nth(2), &back), ERR_NOTFOUND);
    shard_batch_free(c);
}

struct again {
    struct shard *shard;
    const struct shard_batch *change;
    int n_left;
};

static void on_committed_again(void *data, enum err err)
{
    struct again *again = data;

    assert_int_equal(err, OK);
    if (again->n_left-- > 1)
        shard_commit(again->shard, again->change, on_committed_again, again);
}

static void on_trimmed(void *data, bool has_more)
{
    *(bool *)data = has_more;
}

static void retention_removes_what_is_old_by_its_kind(void **state)
{
    const struct shard_retention keep = { .delivered_before_us = 4000,
                                          .dead_before_us = 2000,
                                          .max_bytes = UINT64_MAX };
    bool has_more = true;
    struct fixture *f = *state;
    struct shard_batch *c = shard_batch_new();
    struct again again = { .shard = f->shard, .change = c, .n_left = 3 };
    struct shard_view *view;
    struct history_query query = { .owner_no = 1, .max_rows = 1000 };
    struct dead_row dead = { .hook_id = 1,
                             .position = nth(2),
                             .dead_at_ms = 1 };
    struct position first = nth(1);
    struct shard_counts counts;
    struct page page = { 0 };

    for (uint16_t i = 0; i < 6; i++) {
        struct attempt a = attempt_of(1, i % 2 == 0 ? 200 : 500);

        a.started_at_us = (int64_t)i * 1000;
        batch_attempt(c, &a);
    }
    batch_dead_put(c, &dead);
    batch_count(c, COUNT_MATCHED, 1);
    commit(f, c);
    // Delivered ones before 4 ms go, others before 2 ms, dead ones too; also
    // when the next commit begins as soon as the last has ended.
    shard_batch_reset(c);
    batch_cursor(c, nth(9));
    shard_commit(f->shard, c, on_committed_again, &again);
    assert_true(shard_trim(f->shard, &keep, 100, on_trimmed, &has_more));
    assert_false(shard_trim(f->shard, &keep, 100, on_trimmed, &has_more));
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(again.n_left, 0);
    assert_false(has_more);
    assert_int_equal(shard_view_open(&f->config, 0, &view), OK);
    assert_int_equal(history_scan(view, &query, on_attempt, &page), OK);
    assert_int_equal(page.n, 3); // 5: 500, 4: 200, 3: 500
    query.event = &first;        // the index by event is trimmed along
    page.n = 0;
    assert_int_equal(history_scan(view, &query, on_attempt, &page), OK);
    assert_int_equal(page.n, 3);
    assert_int_equal(shard_counts(f->shard, &counts), OK);
    assert_int_equal(counts.counts[COUNT_DEAD_EXPIRED], 1);
    assert_int_equal(counts.n_dead, 0);
    shard_batch_free(c);
}

static void put_attempts_of(struct shard_batch *c, uint64_t org_no)
{
    for (uint16_t i = 0; i < 6; i++) {
        struct attempt a =
            attempt_of(org_no - FIRST_ORG, i % 2 == 0 ? 200 : 500);

        a.org_id = org_no;
        a.position = nth(i + 1U);
        a.started_at_us = (int64_t)i * 1000;
        if (i == 1)
            a.state = DELIVERY_DEAD;
        batch_attempt(c, &a);
    }
}

static void an_organization_keeps_less_than_the_others(void **state)
{
    struct shard_org_retention org = { .org_no = FIRST_ORG + 2,
                                       .delivered_before_us = 4000,
                                       .dead_before_us = 2000 };
    const struct shard_retention keep = {
        .now_us = 10000, .max_bytes = UINT64_MAX, .orgs = &org, .n_orgs = 1
    };
    struct fixture *f = *state;
    struct shard_batch *c = shard_batch_new();
    struct history_query query = { .max_rows = 1000 };
    struct page page = { 0 };
    struct shard_counts counts;
    struct shard_view *view;
    bool has_more;
    unsigned n_steps = 0;

    for (uint64_t hook = 1; hook <= 2; hook++) {
        struct dead_row dead = { .hook_id = hook,
                                 .position = nth(2),
                                 .dead_at_ms = 1 };

        put_attempts_of(c, FIRST_ORG + hook);
        batch_dead_put(c, &dead);
        batch_count(c, COUNT_MATCHED, 1);
    }
    commit(f, c);
    do { // three rows in a step
        has_more = false;
        assert_true(shard_trim(f->shard, &keep, 3, on_trimmed, &has_more));
        uv_run(&f->loop, UV_RUN_DEFAULT);
    } while (has_more && ++n_steps < 100);
    assert_in_range(n_steps, 1, 99);
    assert_int_equal(shard_view_open(&f->config, 0, &view), OK);
    query.owner_no = 1;
    assert_int_equal(history_scan(view, &query, on_attempt, &page), OK);
    assert_int_equal(page.n, 6);
    query.owner_no = 2;
    page.n = 0;
    assert_int_equal(history_scan(view, &query, on_attempt, &page), OK);
    assert_int_equal(page.n, 3); // 5: 500, 4: 200, 3: 500
    assert_int_equal(page.codes[1], 200);
    query.owner_no = org.org_no;
    page.n = 0;
    assert_int_equal(history_scan(view, &query, on_attempt, &page), OK);
    assert_int_equal(page.n, 3);
    assert_int_equal(shard_counts(f->shard, &counts), OK);
    assert_int_equal(counts.n_dead, 1); // that of the other
    assert_int_equal(counts.counts[COUNT_DEAD_EXPIRED], 1);
    shard_batch_free(c);
}

static void old_events_go_once_every_cursor_has_passed(void **state)
{
    struct fixture *f = *state;
    struct new_event events[] = { event_of("a.b", "1"), event_of("a.b", "2"),
                                  event_of("a.b", "3") };
    struct shard_batch *c = shard_batch_new();
    struct new_event later = event_of("a.b", "4");
    enum err result = ERR_AGAIN;
    struct position last;
    struct append a, busy;
    struct position at;

    events[0].has_id = true;
    assert_int_equal(append(f, events, 3, &a), OK);
    batch_cursor(c, events[1].event.position);
    commit(f, c);
    busy = (struct append){
        .events = &later, .n_events = 1, .done = on_done, .data = &result
    };
    event_log_append(f->log, &busy); // a trim does not wait for a quiet moment
    trim_before(f, clock_now_us() + 1000000, UINT64_MAX);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(result, OK);
    assert_string_equal(scan(f, position_start, 100, &last).payloads, "34");
    assert_int_equal(event_view_find(f->view, DIALECT_PULUMI, STR("acme"),
                                     &events[0].event.id, &at),
                     ERR_NOTFOUND);
    shard_batch_free(c);
}

static void print_fault(void *data, const char *what)
{
    size_t *n = data;

    (*n)++;
    print_message("fault: %s\n", what);
}

static void verify_finds_books_that_do_not_balance(void **state)
{
    struct fixture *f = *state;
    struct new_event e = event_of("a.b", "1");
    struct shard_batch *c = shard_batch_new();
    struct due_row row = due(1, 5, 1);
    struct due_row orphan = due(1, 5, 99);
    struct queue_report report;
    struct append a;
    size_t n = 0;

    assert_int_equal(append(f, &e, 1, &a), OK);
    batch_due_put(c, &row);
    batch_count(c, COUNT_MATCHED, 1);
    batch_cursor(c, nth(1));
    commit(f, c);
    assert_int_equal(queue_verify(&f->config, print_fault, NULL, &n, &report),
                     OK);
    assert_int_equal(n, 0);
    assert_int_equal(report.n_accepted, 1);
    assert_int_equal(report.n_unmatched, 0);
    assert_int_equal(report.pending, 1);
    batch_due_put(c, &orphan); // of no event yet, and counted nowhere
    commit(f, c);
    assert_int_equal(queue_verify(&f->config, print_fault, NULL, &n, &report),
                     OK);
    assert_int_equal(n, 3);
    assert_int_equal(report.n_faults, 3);
    shard_batch_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(due_rows_are_read_by_hook_in_due_order),
        EACH(hooks_with_due_rows_are_found_by_a_seek_each),
        EACH(history_is_read_newest_first_and_by_pages),
        EACH(history_of_one_event_is_found_without_the_rest),
        EACH(counts_are_kept_with_the_rows),
        EACH(retention_removes_what_is_old_by_its_kind),
        EACH(an_organization_keeps_less_than_the_others),
        EACH(old_events_go_once_every_cursor_has_passed),
        EACH(verify_finds_books_that_do_not_balance),
    };

    return cmocka_run_group_tests_name("queue_shard", tests, NULL, NULL);
}
