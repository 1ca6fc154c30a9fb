// test_queue.c — the contract of queue.h, through queue.h alone.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "common/clock.h"
#include "common/mem.h"
#include "queue/queue.h"
#include "tests/unit.h"

#define MAP_BYTES (UINT64_C(64) << 20)

struct fixture {
    char dir[64];
    uv_loop_t loop;
    struct queue_config config;
    struct event_log *log;
    struct event_view *view;
    struct shard *shard;
    struct hook_store *hooks;
};

static int set_up(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));
    struct buf why;

    snprintf(f->dir, sizeof(f->dir), "/tmp/posthorn-queue-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    f->config = (struct queue_config){ .data_dir = f->dir,
                                       .max_bytes = MAP_BYTES,
                                       .n_shards = 1 };
    buf_init(&why, 0);
    if (queue_prepare(&f->config, &why) != OK)
        fail_msg("%s", buf_cstr(&why));
    uv_loop_init(&f->loop);
    assert_int_equal(event_log_open(&f->config, &f->loop, &f->log), OK);
    assert_int_equal(event_view_open(&f->config, &f->view), OK);
    assert_int_equal(shard_open(&f->config, 0, &f->loop, &f->shard), OK);
    assert_int_equal(hook_store_open(&f->config, &f->hooks), OK);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    char *command = xasprintf("rm -rf %s", f->dir);

    // A test's own directory. NOLINTNEXTLINE(cert-env33-c)
    assert_int_equal(system(command), 0);
    free(command);
    free(f);
    return 0;
}

// --- events ---

static struct new_event event_of(const char *kind, const char *payload)
{
    return (struct new_event){ .event = { .accepted_at_us = clock_now_us(),
                                          .family = FAMILY_PULUMI,
                                          .kind = str_of(kind),
                                          .org = STR("acme"),
                                          .payload = str_of(payload) } };
}

static void on_done(struct append *a, enum err err)
{
    *(enum err *)a->data = err;
}

static enum err append(struct fixture *f, struct new_event *events, size_t n,
                       struct append *a)
{
    enum err result = ERR_AGAIN;

    *a = (struct append){
        .events = events, .n_events = n, .done = on_done, .data = &result
    };
    event_log_append(f->log, a);
    assert_int_equal(result, ERR_AGAIN); // never before it returns
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(event_log_pending(f->log), 0);
    return result;
}

struct seen {
    size_t n;
    char payloads[512];
    struct event last;
};

static bool on_event(void *data, const struct event *e)
{
    struct seen *seen = data;

    seen->n++;
    seen->last = *e;
    strncat(seen->payloads, e->payload.at, e->payload.n_bytes);
    return true;
}

static struct seen scan(struct fixture *f, struct position after, size_t max,
                        struct position *last)
{
    struct seen seen = { 0 };
    size_t n_damaged;

    assert_int_equal(
        event_view_scan(f->view, after, max, on_event, &seen, last, &n_damaged),
        OK);
    assert_int_equal(n_damaged, 0);
    return seen;
}

static void appended_events_are_read_in_order(void **state)
{
    struct fixture *f = *state;
    struct new_event events[] = { event_of("a.b", "1"), event_of("a.b", "2"),
                                  event_of("a.b", "3") };
    struct position last;
    struct append a;
    uint64_t n_accepted;

    assert_int_equal(append(f, events, 3, &a), OK);
    assert_true(events[0].was_stored);
    assert_string_equal(scan(f, position_start, 100, &last).payloads, "123");
    assert_int_equal(position_cmp(last, event_log_end(f->log)), 0);
    assert_int_equal(scan(f, last, 100, &last).n, 0);
    assert_string_equal(scan(f, events[0].event.position, 1, &last).payloads,
                        "2");
    assert_int_equal(event_view_accepted(f->view, &n_accepted), OK);
    assert_int_equal(n_accepted, 3);
}

static void events_are_found_by_the_id_that_they_were_given(void **state)
{
    struct fixture *f = *state;
    struct new_event events[] = { event_of("a.b", "1"), event_of("a.b", "2") };
    struct position at;
    struct append a;
    struct id other = { { 1, 2, 3 } };

    events[1].has_id = true;
    memset(events[1].event.id.bytes, 7, 16);
    assert_int_equal(append(f, events, 2, &a), OK);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(event_view_find(f->view, FAMILY_PULUMI, STR("acme"),
                                         &events[i].event.id, &at),
                         OK);
        assert_int_equal(position_cmp(at, events[i].event.position), 0);
        assert_int_equal(event_view_find(f->view, FAMILY_PULUMI, STR("other"),
                                         &events[i].event.id, &at),
                         ERR_NOTFOUND);
        assert_int_equal(event_view_find(f->view, FAMILY_AKINON, STR("acme"),
                                         &events[i].event.id, &at),
                         ERR_NOTFOUND);
    }
    assert_int_equal(
        event_view_find(f->view, FAMILY_PULUMI, STR("acme"), &other, &at),
        ERR_NOTFOUND);
}

static void the_same_id_and_content_is_stored_once(void **state)
{
    struct fixture *f = *state;
    struct new_event first = event_of("a.b", "1");
    struct new_event again = event_of("a.b", "1");
    struct new_event other = event_of("a.b", "2");
    struct position last;
    struct append a;

    first.has_id = again.has_id = other.has_id = true;
    assert_int_equal(append(f, &first, 1, &a), OK);
    assert_int_equal(append(f, &again, 1, &a), OK);
    assert_false(again.was_stored);
    assert_int_equal(position_cmp(again.event.position, first.event.position),
                     0);
    assert_int_equal(append(f, &other, 1, &a), ERR_CONFLICT);
    assert_string_equal(scan(f, position_start, 100, &last).payloads, "1");
}

static void an_idempotency_key_gives_the_first_id_back(void **state)
{
    struct fixture *f = *state;
    struct new_event first = event_of("a.b", "1");
    struct new_event again = event_of("a.b", "1");
    struct new_event late = event_of("a.b", "2");
    struct append a;

    first.idempotency = again.idempotency = late.idempotency = STR("k1");
    assert_int_equal(append(f, &first, 1, &a), OK);
    assert_int_equal(append(f, &again, 1, &a), OK);
    assert_false(again.was_stored);
    assert_true(id_eq(&again.event.id, &first.event.id));
    late.event.accepted_at_us += INT64_C(25) * 3600 * 1000000;
    assert_int_equal(append(f, &late, 1, &a), OK); // a day later: a new one
    assert_true(late.was_stored);
}

static void a_request_is_stored_whole_or_not_at_all(void **state)
{
    struct fixture *f = *state;
    struct new_event first = event_of("a.b", "1");
    struct new_event events[] = { event_of("a.b", "2"), event_of("a.b", "3"),
                                  event_of("a.b", "4") };
    struct position last;
    struct append a;

    first.idempotency = STR("k");
    events[1].idempotency = STR("k"); // with another payload
    assert_int_equal(append(f, &first, 1, &a), OK);
    assert_int_equal(append(f, events, 3, &a), ERR_CONFLICT);
    assert_int_equal(a.fault, 1);
    assert_string_equal(scan(f, position_start, 100, &last).payloads, "1");
}

static void repetitions_within_a_request_are_stored_once(void **state)
{
    struct fixture *f = *state;
    struct new_event events[] = { event_of("a.b", "1"), event_of("a.b", "2"),
                                  event_of("a.b", "1"), event_of("a.b", "9") };
    struct position last;
    struct append a;

    events[0].idempotency = events[2].idempotency = STR("k");
    assert_int_equal(append(f, events, 3, &a), OK);
    assert_false(events[2].was_stored);
    assert_true(id_eq(&events[0].event.id, &events[2].event.id));
    assert_string_equal(scan(f, position_start, 100, &last).payloads, "12");
    events[0].idempotency = events[3].idempotency = STR("k2");
    assert_int_equal(append(f, events, 4, &a), ERR_CONFLICT);
    assert_int_equal(a.fault, 3);
}

static void a_conflict_does_not_harm_others_of_the_same_commit(void **state)
{
    struct fixture *f = *state;
    struct new_event events[40];
    struct append appends[40];
    enum err results[40];
    struct position last;
    size_t n_stored = 0;

    for (size_t i = 0; i < 40; i++) {
        events[i] = event_of("a.b", i % 4 == 0 ? "x" : "y");
        if (i % 2 == 0)
            events[i].idempotency = STR("same");
        results[i] = ERR_AGAIN;
        appends[i] = (struct append){ .events = &events[i],
                                      .n_events = 1,
                                      .done = on_done,
                                      .data = &results[i] };
        event_log_append(f->log, &appends[i]);
    }
    uv_run(&f->loop, UV_RUN_DEFAULT);
    for (size_t i = 0; i < 40; i++) {
        assert_int_equal(results[i], i % 4 == 2 ? ERR_CONFLICT : OK);
        n_stored += results[i] == OK && events[i].was_stored;
    }
    assert_int_equal(n_stored, 21); // 20 without a key, one of those with it
    assert_int_equal(scan(f, position_start, 100, &last).n, 21);
}

static void a_full_map_refuses_and_keeps_what_it_has(void **state)
{
    struct fixture *f = *state;
    size_t n_bytes = 1 << 20;
    char *payload = xmalloc(n_bytes);
    uint64_t used_bytes = 0;
    size_t n_ok = 0;
    uint64_t n_accepted;
    enum err err = OK;

    memset(payload, '1', n_bytes);
    while (err == OK && n_ok < 200) {
        struct new_event e = event_of("a.b", "");
        struct append a;

        e.event.payload = (struct str){ payload, n_bytes };
        err = append(f, &e, 1, &a);
        n_ok += err == OK;
    }
    free(payload);
    assert_int_equal(err, ERR_FULL);
    assert_true(n_ok > 40 && n_ok < 64);
    assert_int_equal(event_view_accepted(f->view, &n_accepted), OK);
    assert_int_equal(n_accepted, n_ok);
    assert_int_equal(event_log_usage(f->log, &used_bytes), OK);
    assert_true(used_bytes > MAP_BYTES / 2 && used_bytes <= MAP_BYTES);
}

// --- deliveries ---

static void on_committed(void *data, enum err err)
{
    *(enum err *)data = err;
}

static void commit(struct fixture *f, struct shard_change *c)
{
    enum err result = ERR_AGAIN;

    shard_commit(f->shard, c, on_committed, &result);
    assert_true(shard_is_committing(f->shard));
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(result, OK);
    shard_change_reset(c);
}

static struct position nth(uint64_t n)
{
    struct position p = position_start;

    for (size_t i = 0; i < 8; i++)
        p.bytes[i] = (uint8_t)(n >> (56 - 8 * i));
    return p;
}

static struct due_row due(uint64_t hook_no, int64_t due_at_ms, uint64_t n)
{
    return (struct due_row){ .hook_no = hook_no,
                             .due_at_ms = due_at_ms,
                             .position = nth(n),
                             .n_attempts = 2,
                             .queue_us = 55 };
}

static void due_rows_are_read_by_hook_in_due_order(void **state)
{
    struct fixture *f = *state;
    struct shard_change *c = shard_change_new();
    struct due_row all[] = { due(2, 300, 1), due(1, 200, 5), due(1, 100, 7),
                             due(1, 100, 6), due(3, 50, 2) };
    struct due_row rows[10];
    size_t n;

    for (size_t i = 0; i < 5; i++)
        change_due_put(c, &all[i]);
    change_cursor(c, nth(7));
    commit(f, c);
    assert_int_equal(shard_due_read(f->shard, 1, NULL, 1000, rows, 10, &n), OK);
    assert_int_equal(n, 3);
    assert_int_equal(position_cmp(rows[0].position, nth(6)), 0);
    assert_int_equal(position_cmp(rows[2].position, nth(5)), 0);
    assert_int_equal(rows[0].n_attempts, 2);
    assert_int_equal(rows[0].queue_us, 55);
    assert_int_equal(shard_due_read(f->shard, 1, NULL, 150, rows, 10, &n), OK);
    assert_int_equal(n, 2);
    assert_int_equal(shard_due_read(f->shard, 1, &rows[0], 1000, rows, 1, &n),
                     OK);
    assert_int_equal(n, 1);
    assert_int_equal(position_cmp(rows[0].position, nth(7)), 0);
    change_due_del(c, &all[2]);
    change_due_del(c, &all[2]); // what is not there is no error
    commit(f, c);
    assert_int_equal(shard_due_read(f->shard, 1, NULL, 1000, rows, 10, &n), OK);
    assert_int_equal(n, 2);
    assert_int_equal(position_cmp(shard_cursor(f->shard), nth(7)), 0);
    shard_change_free(c);
}

static void on_due_hook(void *data, uint64_t hook_no, int64_t first_due_at_ms)
{
    int64_t *sum = data;

    *sum = *sum * 1000 + (int64_t)hook_no * 100 + first_due_at_ms;
}

static void hooks_with_due_rows_are_found_by_a_seek_each(void **state)
{
    struct fixture *f = *state;
    struct shard_change *c = shard_change_new();
    struct due_row all[] = { due(1, 9, 1), due(1, 3, 2), due(4, 5, 3) };
    int64_t sum = 0;

    for (size_t i = 0; i < 3; i++)
        change_due_put(c, &all[i]);
    commit(f, c);
    assert_int_equal(shard_due_hooks(f->shard, on_due_hook, &sum), OK);
    assert_int_equal(sum, 103 * 1000 + 405);
    shard_change_free(c);
}

static struct attempt attempt_of(uint64_t hook_no, uint16_t code)
{
    return (struct attempt){
        .hook_no = hook_no,
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
    struct shard_change *c = shard_change_new();
    struct shard_view *view;
    struct history_query query = { .hook_no = 1, .limit = 2 };
    struct page page = { 0 };

    for (uint16_t i = 0; i < 5; i++) {
        struct attempt mine = attempt_of(1, (uint16_t)(500 + i));
        struct attempt other = attempt_of(2, 200);

        change_attempt(c, &mine);
        change_attempt(c, &other);
    }
    commit(f, c);
    assert_int_equal(shard_view_open(&f->config, 0, &view), OK);
    assert_int_equal(history_scan(view, &query, on_attempt, &page), OK);
    assert_int_equal(page.n, 2);
    assert_int_equal(page.codes[0], 504);
    query.before_no = page.nos[1];
    query.limit = 10;
    page.n = 0;
    assert_int_equal(history_scan(view, &query, on_attempt, &page), OK);
    assert_int_equal(page.n, 3);
    assert_int_equal(page.codes[0], 502);
    assert_int_equal(page.codes[2], 500);
    query = (struct history_query){ .hook_no = 99, .limit = 10 };
    page.n = 0;
    assert_int_equal(history_scan(view, &query, on_attempt, &page), OK);
    assert_int_equal(page.n, 0);
    shard_change_free(c);
}

static void counts_are_kept_with_the_rows(void **state)
{
    struct fixture *f = *state;
    struct shard_change *c = shard_change_new();
    struct due_row row = due(1, 5, 1);
    struct dead_row dead = { .hook_no = 1, .position = nth(2) };
    struct dead_row back;
    struct shard_counts counts;

    change_due_put(c, &row);
    change_dead_put(c, &dead);
    change_count(c, COUNT_MATCHED, 3);
    change_count(c, COUNT_DELIVERED, 1);
    commit(f, c);
    assert_int_equal(shard_counts(f->shard, &counts), OK);
    assert_int_equal(counts.counts[COUNT_MATCHED], 3);
    assert_int_equal(counts.n_due, 1);
    assert_int_equal(counts.n_dead, 1);
    assert_int_equal(shard_dead_get(f->shard, 1, nth(2), &back), OK);
    assert_int_equal(shard_dead_get(f->shard, 1, nth(3), &back), ERR_NOTFOUND);
    change_dead_del(c, 1, nth(2));
    commit(f, c);
    assert_int_equal(shard_dead_get(f->shard, 1, nth(2), &back), ERR_NOTFOUND);
    shard_change_free(c);
}

static void retention_removes_what_is_old_by_its_kind(void **state)
{
    struct fixture *f = *state;
    struct shard_change *c = shard_change_new();
    struct shard_view *view;
    struct history_query query = { .hook_no = 1, .limit = 16 };
    struct dead_row dead = { .hook_no = 1,
                             .position = nth(2),
                             .dead_at_ms = 1 };
    struct shard_counts counts;
    struct page page = { 0 };

    for (uint16_t i = 0; i < 6; i++) {
        struct attempt a = attempt_of(1, i % 2 == 0 ? 200 : 500);

        a.started_at_us = i * 1000;
        change_attempt(c, &a);
    }
    change_dead_put(c, &dead);
    change_count(c, COUNT_MATCHED, 1);
    commit(f, c);
    // Delivered ones before 4 ms go, others before 2 ms, dead ones too.
    assert_true(shard_trim(f->shard, 4000, 2000, 100));
    assert_false(shard_trim(f->shard, 4000, 2000, 100));
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(shard_view_open(&f->config, 0, &view), OK);
    assert_int_equal(history_scan(view, &query, on_attempt, &page), OK);
    assert_int_equal(page.n, 3); // 5: 500, 4: 200, 3: 500
    assert_int_equal(shard_counts(f->shard, &counts), OK);
    assert_int_equal(counts.counts[COUNT_DEAD_EXPIRED], 1);
    assert_int_equal(counts.n_dead, 0);
    shard_change_free(c);
}

static void old_events_go_once_every_cursor_has_passed(void **state)
{
    struct fixture *f = *state;
    struct new_event events[] = { event_of("a.b", "1"), event_of("a.b", "2"),
                                  event_of("a.b", "3") };
    struct shard_change *c = shard_change_new();
    struct position last;
    struct append a;
    struct position at;

    events[0].has_id = true;
    assert_int_equal(append(f, events, 3, &a), OK);
    change_cursor(c, events[1].event.position);
    commit(f, c);
    event_log_trim(f->log, clock_now_us() + 1000000, 100);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_string_equal(scan(f, position_start, 100, &last).payloads, "3");
    assert_int_equal(event_view_find(f->view, FAMILY_PULUMI, STR("acme"),
                                     &events[0].event.id, &at),
                     ERR_NOTFOUND);
    shard_change_free(c);
}

// --- hooks ---

static struct hook hook_of(const char *name)
{
    return (struct hook){ .scope = { .family = FAMILY_PULUMI,
                                     .level = LEVEL_ORGANIZATION,
                                     .org = STR("acme") },
                          .name = str_of(name),
                          .display_name = STR("d"),
                          .url = STR("http://x/"),
                          .format = FORMAT_RAW,
                          .active = true,
                          .secret = STR("s3cret") };
}

struct names {
    char text[256];
    uint64_t revision;
    size_t n;
};

static bool on_hook(void *data, const struct hook *h)
{
    struct names *names = data;

    strncat(names->text, h->name.n_bytes > 0 ? h->name.at : "-",
            h->name.n_bytes > 0 ? h->name.n_bytes : 1);
    names->revision = h->revision;
    names->n++;
    return true;
}

static void hooks_are_created_listed_changed_and_deleted(void **state)
{
    struct fixture *f = *state;
    struct hook a = hook_of("a");
    struct hook b = hook_of("b");
    struct hook twice = hook_of("a");
    struct hook stale;
    struct hook other = hook_of("a");
    struct names names = { 0 };

    other.scope.org = STR("acm"); // its key begins like the other's
    assert_int_equal(hook_create(f->hooks, &b), OK);
    assert_int_equal(hook_create(f->hooks, &a), OK);
    assert_int_equal(hook_create(f->hooks, &other), OK);
    assert_int_equal(hook_create(f->hooks, &twice), ERR_EXISTS);
    assert_true(a.no != b.no);
    assert_int_equal(hook_list(f->hooks, &a.scope, STR_EMPTY, on_hook, &names),
                     OK);
    assert_string_equal(names.text, "ab");
    names = (struct names){ 0 };
    assert_int_equal(hook_list(f->hooks, &a.scope, STR("a"), on_hook, &names),
                     OK);
    assert_string_equal(names.text, "b");
    stale = a;
    a.active = false;
    assert_int_equal(hook_update(f->hooks, &a), OK);
    assert_int_equal(hook_update(f->hooks, &stale), ERR_CONFLICT);
    assert_int_equal(hook_delete(f->hooks, &a.scope, STR("a")), OK);
    assert_int_equal(hook_delete(f->hooks, &a.scope, STR("a")), ERR_NOTFOUND);
    assert_int_equal(hook_update(f->hooks, &a), ERR_NOTFOUND);
    assert_int_equal(hook_get(f->hooks, &a.scope, STR("a"), on_hook, &names),
                     ERR_NOTFOUND);
}

static void watching_hooks_never_skips_the_last_value(void **state)
{
    struct fixture *f = *state;
    struct hook a = hook_of("a");
    struct hook b = hook_of("b");
    struct names names = { 0 };
    uint64_t seen = 0;

    assert_int_equal(hook_create(f->hooks, &a), OK);
    assert_int_equal(hook_create(f->hooks, &b), OK);
    assert_int_equal(hook_watch(f->hooks, 0, on_hook, &names, &seen), OK);
    assert_string_equal(names.text, "ab");
    for (int i = 0; i < 5; i++)
        assert_int_equal(hook_update(f->hooks, &a), OK);
    names = (struct names){ 0 };
    assert_int_equal(hook_watch(f->hooks, seen, on_hook, &names, &seen), OK);
    assert_int_equal(names.n, 1);
    assert_true(names.revision == a.revision);
    assert_int_equal(hook_delete(f->hooks, &b.scope, STR("b")), OK);
    names = (struct names){ 0 };
    assert_int_equal(hook_watch(f->hooks, seen, on_hook, &names, &seen), OK);
    assert_string_equal(names.text, "-");
    names = (struct names){ 0 };
    assert_int_equal(hook_watch(f->hooks, seen, on_hook, &names, &seen), OK);
    assert_int_equal(names.n, 0);
}

static void a_copy_of_a_hook_stands_alone(void **state)
{
    struct str kinds[] = { STR("order.*"), STR("a.b") };
    struct str headers[] = { STR("X-A"), STR("1") };
    struct hook h = hook_of("a");
    struct hook *copy;

    (void)state;
    h.kinds = kinds;
    h.n_kinds = 2;
    h.headers = headers;
    h.n_headers = 2;
    copy = hook_copy(&h);
    memset(kinds, 0, sizeof(kinds));
    assert_true(str_is(copy->kinds[0], "order.*"));
    assert_true(str_is(copy->headers[1], "1"));
    assert_true(str_is(copy->secret, "s3cret"));
    assert_true(copy->url.at != h.url.at);
    free(copy);
}

// --- checking ---

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
    struct shard_change *c = shard_change_new();
    struct due_row row = due(1, 5, 1);
    struct due_row orphan = due(1, 5, 99);
    struct queue_report report;
    struct append a;
    size_t n = 0;

    assert_int_equal(append(f, &e, 1, &a), OK);
    change_due_put(c, &row);
    change_count(c, COUNT_MATCHED, 1);
    change_cursor(c, nth(1));
    commit(f, c);
    assert_int_equal(queue_verify(&f->config, print_fault, &n, &report), OK);
    assert_int_equal(n, 0);
    assert_int_equal(report.n_accepted, 1);
    assert_int_equal(report.n_unmatched, 0);
    assert_int_equal(report.pending, 1);
    change_due_put(c, &orphan); // of no event, and counted nowhere
    commit(f, c);
    assert_int_equal(queue_verify(&f->config, print_fault, &n, &report), OK);
    assert_int_equal(n, 2);
    assert_int_equal(report.n_faults, 2);
    shard_change_free(c);
}

#define EACH(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(appended_events_are_read_in_order),
        EACH(events_are_found_by_the_id_that_they_were_given),
        EACH(the_same_id_and_content_is_stored_once),
        EACH(an_idempotency_key_gives_the_first_id_back),
        EACH(a_request_is_stored_whole_or_not_at_all),
        EACH(repetitions_within_a_request_are_stored_once),
        EACH(a_conflict_does_not_harm_others_of_the_same_commit),
        EACH(a_full_map_refuses_and_keeps_what_it_has),
        EACH(due_rows_are_read_by_hook_in_due_order),
        EACH(hooks_with_due_rows_are_found_by_a_seek_each),
        EACH(history_is_read_newest_first_and_by_pages),
        EACH(counts_are_kept_with_the_rows),
        EACH(retention_removes_what_is_old_by_its_kind),
        EACH(old_events_go_once_every_cursor_has_passed),
        EACH(hooks_are_created_listed_changed_and_deleted),
        EACH(watching_hooks_never_skips_the_last_value),
        EACH(a_copy_of_a_hook_stands_alone),
        EACH(verify_finds_books_that_do_not_balance),
    };

    return cmocka_run_group_tests_name("queue", tests, NULL, NULL);
}
