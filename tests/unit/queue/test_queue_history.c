// SPDX-License-Identifier: MIT
// test_queue_history.c — filters, statistics, replays, and what retention keeps.

#include "tests/support/queue_fixture.h"

#define ORG   (UINT64_C(1) << 63 | 7)
#define EVER  INT64_MIN
#define NEVER INT64_MAX

static struct attempt attempt_at(uint64_t hook_id, uint64_t n, int64_t at_us)
{
    return (struct attempt){
        .hook_id = hook_id,
        .org_id = ORG,
        .position = nth(n),
        .kind = n % 2 == 0 ? STR("even") : STR("odd"),
        .started_at_us = at_us,
        .attempt = 1,
        .state = n % 5 == 0 ? DELIVERY_DEAD : DELIVERY_DELIVERED,
        .error = n % 5 == 0 ? ERROR_STATUS : ERROR_NONE,
        .response_code = n % 5 == 0 ? 500 : 200,
        .timing = { .queue_us = 10 * (int64_t)n, .total_us = 1000 },
    };
}

struct seen_rows {
    size_t n, max;
    uint64_t events[64];
};

static bool on_row(void *data, uint64_t no, const struct attempt *a)
{
    struct seen_rows *seen = data;

    (void)no;
    if (seen->n == seen->max)
        return false;
    seen->events[seen->n++] = a->position.bytes[7];
    return true;
}

// Makes attempts of 20 events, one per second from second 1 on; every fifth event is a
// dead letter.
static struct shard_view *fill(struct fixture *f)
{
    struct shard_batch *c = shard_batch_new();
    struct shard_view *view;

    for (uint64_t n = 1; n <= 20; n++) {
        struct attempt a = attempt_at(1 + n % 2, n, (int64_t)n * 1000000);
        struct dead_row dead = { .hook_id = a.hook_id, .position = a.position };

        batch_attempt(c, &a);
        batch_count(c, COUNT_MATCHED, 1);
        if (a.state == DELIVERY_DEAD) {
            batch_dead_put(c, &dead);
        } else {
            batch_count(c, COUNT_DELIVERED, 1);
        }
    }
    commit(f, c);
    shard_batch_free(c);
    assert_int_equal(shard_view_open(&f->config, 0, &view), OK);
    return view;
}

// NOLINTNEXTLINE(readability-function-size): a table
static void filters_find_what_they_want(void **state)
{
    const struct {
        const char *what;
        struct history_filter filter;
        bool oldest_first;
        uint64_t owner_no;
        size_t n;
        uint64_t first;
    } cases[] = {
        { "all", { .since_us = EVER, .until_us = NEVER }, false, ORG, 20, 20 },
        { "oldest first",
          { .since_us = EVER, .until_us = NEVER },
          true,
          ORG,
          20,
          1 },
        { "of a hook",
          { .since_us = EVER, .until_us = NEVER },
          false,
          2,
          10,
          19 },
        { "dead",
          { .states = 1U << DELIVERY_DEAD,
            .since_us = EVER,
            .until_us = NEVER },
          false,
          ORG,
          4,
          20 },
        { "by class",
          { .errors = 1U << ERROR_STATUS, .since_us = EVER, .until_us = NEVER },
          true,
          1,
          2,
          10 },
        { "by code",
          { .has_code = true,
            .code = 500,
            .since_us = EVER,
            .until_us = NEVER },
          false,
          ORG,
          4,
          20 },
        { "by another code",
          { .has_code = true,
            .code = 204,
            .since_us = EVER,
            .until_us = NEVER },
          false,
          ORG,
          0,
          0 },
        { "since",
          { .since_us = 18000000, .until_us = NEVER },
          false,
          ORG,
          3,
          20 },
        { "until",
          { .since_us = EVER, .until_us = 3000000 },
          false,
          ORG,
          2,
          2 },
        { "both",
          { .since_us = 5000000, .until_us = 9000000 },
          true,
          ORG,
          4,
          5 },
        { "kind",
          { .kinds = { STR("even"), STR("other") },
            .n_kinds = 2,
            .since_us = EVER,
            .until_us = NEVER },
          false,
          ORG,
          10,
          20 },
    };
    struct shard_view *view = fill(*state);

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct history_query query = { .owner_no = cases[i].owner_no,
                                       .filter = &cases[i].filter,
                                       .oldest_first = cases[i].oldest_first,
                                       .max_rows = 1000 };
        struct seen_rows seen = { .max = 64 };

        assert_int_equal(history_scan(view, &query, on_row, &seen), OK);
        if (seen.n != cases[i].n || !query.is_end ||
            (seen.n > 0 && seen.events[0] != cases[i].first)) {
            fail_msg("%s: %zu, first %d", cases[i].what, seen.n,
                     (int)seen.events[0]);
        }
    }
}

static void a_scan_goes_on_where_it_ended(void **state)
{
    struct shard_view *view = fill(*state);

    for (size_t step = 1; step < 8; step++) {
        struct history_query query = { .owner_no = ORG, .max_rows = 1000 };
        struct seen_rows all = { .max = 0 };

        do {
            all.max = all.n + step;
            assert_int_equal(history_scan(view, &query, on_row, &all), OK);
            query.from_no = query.last_no;
        } while (!query.is_end);
        assert_int_equal(all.n, 20);
        for (size_t i = 0; i < 20; i++)
            assert_int_equal(all.events[i], 20 - i);
    }
}

static void a_scan_ends_at_its_cost(void **state)
{
    struct shard_view *view = fill(*state);
    const struct history_filter none = {
        .has_code = true, .code = 299, .since_us = EVER, .until_us = NEVER
    };
    struct history_query query = { .owner_no = ORG,
                                   .filter = &none,
                                   .max_rows = 7 };
    struct seen_rows seen = { .max = 64 };

    assert_int_equal(history_scan(view, &query, on_row, &seen), OK);
    assert_false(query.is_end);
    assert_int_equal(query.last_no, 14); // of 20, seven were looked at
}

// --- statistics ---

static void statistics_add_up(void **state)
{
    struct fixture *f = *state;
    struct shard_batch *c = shard_batch_new();
    struct shard_view *view;
    struct stats stats, sum;
    int64_t now_s = 1700000000;
    int64_t from_s;

    for (int round = 0; round < 3; round++) {
        stats_init(&stats);
        for (uint64_t n = 1; n <= 100; n++) {
            struct attempt a = attempt_at(1, n, 0);

            a.timing.total_us = (int64_t)n * 1000;
            stats_note(&stats, &a);
        }
        batch_stats(c, 1, now_s - INT64_C(1800) * round, &stats);
        batch_stats_noted(c);
        stats_clear(&stats);
        commit(f, c);
    }
    assert_int_equal(shard_view_open(&f->config, 0, &view), OK);
    stats_init(&sum);
    assert_int_equal(stats_read(view, 1, now_s, 86400, &sum, &from_s), OK);
    assert_int_equal(sum.states[DELIVERY_DELIVERED], 240);
    assert_int_equal(sum.errors[ERROR_STATUS], 60);
    assert_int_equal(sum.phases[PHASE_TOTAL].n, 300);
    assert_int_equal(sum.phases[PHASE_TOTAL].max_us, 100000);
    assert_in_range(bars_percentile(&sum.phases[PHASE_TOTAL], 50), 50000,
                    51700);
    assert_in_range(bars_percentile(&sum.phases[PHASE_TOTAL], 99), 99000,
                    100000);
    stats_clear(&sum);
    assert_int_equal(stats_read(view, 1, now_s, 1500, &sum, &from_s), OK);
    assert_int_equal(sum.phases[PHASE_TOTAL].n, 100);
    assert_in_range(now_s - from_s, 1500, 1800);
    stats_clear(&sum);
    assert_int_equal(stats_read(view, 2, now_s, 86400, &sum, &from_s), OK);
    assert_int_equal(sum.phases[PHASE_TOTAL].n, 0);
    assert_int_equal(bars_percentile(&sum.phases[PHASE_TOTAL], 99), 0);
    stats_clear(&sum);
    shard_batch_free(c);
}

static void damaged_statistics_are_refused(void **state)
{
    struct stats stats, sum;
    struct attempt a = attempt_at(1, 3, 0);
    struct buf record;

    (void)state;
    stats_init(&stats);
    stats_init(&sum);
    stats_note(&stats, &a);
    buf_init(&record, 0);
    stats_encode(&stats, &record);
    assert_int_equal(stats_add_record(&sum, buf_str(&record)), OK);
    for (size_t i = 0; i < record.n_bytes; i++) {
        record.at[i] ^= 0x40;
        assert_int_equal(stats_add_record(&sum, buf_str(&record)), ERR_CORRUPT);
        record.at[i] ^= 0x40;
    }
    assert_int_equal(sum.phases[PHASE_TOTAL].n, 1);
    buf_clear(&record);
    stats_clear(&stats);
    stats_clear(&sum);
}

// --- replays ---

static bool on_replay(void *data, const struct replay *r)
{
    struct replay *out = data;

    *out = *r;
    out->matched = r->matched + r->filter.n_kinds; // while it is borrowed
    return true;
}

static void replays_are_kept(void **state)
{
    struct fixture *f = *state;
    struct shard_batch *c = shard_batch_new();
    struct replay r = { .id = { { 1, 2, 3 } },
                        .hook_id = 9,
                        .state = REPLAY_RUNNING,
                        .created_at_ms = 5,
                        .filter = history_all,
                        .end = 77,
                        .matched = 3 };
    const struct id other = { { 4 } };
    struct replay back = { .hook_id = 0 };
    struct shard_view *view;

    r.filter.kinds[r.filter.n_kinds++] = STR("a.b");
    batch_replay_put(c, &r);
    commit(f, c);
    assert_int_equal(shard_view_open(&f->config, 0, &view), OK);
    assert_int_equal(replays_each(view, &r.id, on_replay, &back), OK);
    assert_int_equal(back.hook_id, 9);
    assert_int_equal(back.end, 77);
    assert_int_equal(back.matched, 4);
    back.hook_id = 0;
    assert_int_equal(replays_each(view, &other, on_replay, &back), OK);
    assert_int_equal(back.hook_id, 0);
    batch_replay_del(c, &r);
    commit(f, c);
    assert_int_equal(replays_each(view, NULL, on_replay, &back), OK);
    assert_int_equal(back.hook_id, 0);
    shard_batch_free(c);
}

// --- retention ---

static void on_trimmed(void *data, bool has_more)
{
    *(bool *)data = has_more;
}

static void history_goes_when_it_is_too_much(void **state)
{
    struct fixture *f = *state;
    struct shard_view *view = fill(f);
    const struct shard_retention keep = { .max_bytes = 1 };
    struct history_query query = { .owner_no = ORG, .max_rows = 1000 };
    struct history_query failed = { .owner_no = ORG, .max_rows = 1000 };
    const struct history_filter filter = { .errors = 1U << ERROR_STATUS,
                                           .since_us = EVER,
                                           .until_us = NEVER };
    struct seen_rows seen = { .max = 64 };
    bool has_more = false;

    assert_true(shard_trim(f->shard, &keep, 10, on_trimmed, &has_more));
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_true(has_more);
    assert_int_equal(history_scan(view, &query, on_row, &seen), OK);
    assert_int_equal(seen.n, 12); // eight of the ten oldest were delivered
    for (int i = 0; i < 4; i++) {
        assert_true(shard_trim(f->shard, &keep, 100, on_trimmed, &has_more));
        uv_run(&f->loop, UV_RUN_DEFAULT);
    }
    assert_false(has_more);
    seen.n = 0;
    failed.filter = &filter;
    assert_int_equal(history_scan(view, &query, on_row, &seen), OK);
    assert_int_equal(history_scan(view, &failed, on_row, &seen), OK);
    assert_int_equal(seen.n, 0);
}

static void a_dead_letter_that_expires_on_its_way_is_counted_once(void **state)
{
    struct fixture *f = *state;
    const struct shard_retention keep = { .dead_before_us = NEVER,
                                          .max_bytes = UINT64_MAX };
    const struct dead_row dead = { .hook_id = 1, .position = nth(2) };
    struct shard_batch *c = shard_batch_new();
    struct shard_counts counts;
    bool has_more;

    batch_dead_put(c, &dead);
    batch_count(c, COUNT_MATCHED, 1);
    commit(f, c);
    assert_true(shard_trim(f->shard, &keep, 10, on_trimmed, &has_more));
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(shard_counts(f->shard, &counts), OK);
    assert_int_equal(counts.counts[COUNT_DEAD_EXPIRED], 1);
    batch_dead_del(c, 1, nth(2)); // it was in flight, and is delivered now
    batch_count(c, COUNT_DELIVERED, 1);
    commit(f, c);
    assert_int_equal(shard_counts(f->shard, &counts), OK);
    assert_int_equal(counts.counts[COUNT_DEAD_EXPIRED], 0);
    assert_int_equal(counts.counts[COUNT_DELIVERED], 1);
    assert_int_equal(counts.n_dead, 0);
    shard_batch_free(c);
}

static size_t events_left(struct fixture *f)
{
    struct position last;

    return scan(f, position_start, 10000, &last).n;
}

static void events_that_are_needed_stay(void **state)
{
    struct fixture *f = *state;
    struct shard_batch *c = shard_batch_new();
    struct new_event events[400];
    struct due_row row = due(1, 5, 100);
    struct dead_row dead = { .hook_id = 1, .position = nth(300) };
    struct append a;

    for (size_t i = 0; i < 400; i++)
        events[i] = event_of("a.b", "");
    assert_int_equal(append(f, events, 400, &a), OK);
    batch_cursor(c, nth(400));
    batch_due_put(c, &row);
    batch_due_put(c, &row); // the same one
    batch_dead_put(c, &dead);
    commit(f, c);
    for (int i = 0; i < 3; i++) { // all are too old; some at a time
        trim_before(f, clock_now_us() + 1000000, UINT64_MAX);
        uv_run(&f->loop, UV_RUN_DEFAULT);
    }
    assert_int_equal(events_left(f), 128); // a block each of the two
    batch_due_del(c, &row);
    batch_due_del(c, &row);
    commit(f, c);
    trim_before(f, clock_now_us() + 1000000, UINT64_MAX);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(events_left(f), 64);
    batch_dead_del(c, 1, dead.position);
    commit(f, c);
    trim_before(f, EVER, 1); // young, but too much
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(events_left(f), 0);
    shard_batch_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(filters_find_what_they_want),
        EACH(a_scan_goes_on_where_it_ended),
        EACH(a_scan_ends_at_its_cost),
        EACH(statistics_add_up),
        EACH(damaged_statistics_are_refused),
        EACH(replays_are_kept),
        EACH(history_goes_when_it_is_too_much),
        EACH(a_dead_letter_that_expires_on_its_way_is_counted_once),
        EACH(events_that_are_needed_stay),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
