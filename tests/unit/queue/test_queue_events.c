// SPDX-License-Identifier: MIT
// test_queue_events.c — the contract of the event log, through queue.h alone.

#include "tests/support/queue_fixture.h"

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
        assert_int_equal(event_view_find(f->view, DIALECT_PULUMI, STR("acme"),
                                         &events[i].event.id, &at),
                         OK);
        assert_int_equal(position_cmp(at, events[i].event.position), 0);
        assert_int_equal(event_view_find(f->view, DIALECT_PULUMI, STR("other"),
                                         &events[i].event.id, &at),
                         ERR_NOTFOUND);
        assert_int_equal(event_view_find(f->view, DIALECT_AKINON, STR("acme"),
                                         &events[i].event.id, &at),
                         ERR_NOTFOUND);
    }
    assert_int_equal(
        event_view_find(f->view, DIALECT_PULUMI, STR("acme"), &other, &at),
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
    assert_int_equal(append(f, &late, 1, &a), OK); // a day later: a new event
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
    assert_int_equal(n_stored,
                     21); // 20 without a key, and one of those with the key
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

// Appends are withdrawn when a client has waited too long for the disk.
static void an_append_is_taken_back_unless_its_commit_has_begun(void **state)
{
    struct fixture *f = *state;
    struct new_event events[5];
    struct append a[5];
    enum err results[5];
    struct position last;
    static const char *const payloads[] = { "1", "2", "3", "4", "5" };

    for (size_t i = 0; i < 5; i++) {
        events[i] = event_of("a.b", payloads[i]);
        results[i] = ERR_AGAIN;
        a[i] = (struct append){ .events = &events[i],
                                .n_events = 1,
                                .done = on_done,
                                .data = &results[i] };
        event_log_append(f->log, &a[i]);
    }
    assert_int_equal(event_log_pending(f->log), 5);
    assert_false(event_log_take_back(f->log, &a[0])); // its commit runs
    assert_true(event_log_take_back(f->log, &a[4]));  // the last
    event_log_append(f->log, &a[4]);                  // comes again
    assert_true(event_log_take_back(f->log, &a[2]));  // from the middle
    assert_true(event_log_take_back(f->log, &a[1]));  // the first that waits
    assert_false(event_log_take_back(f->log, &a[1]));
    assert_int_equal(event_log_pending(f->log), 3);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(results[i], i == 1 || i == 2 ? ERR_AGAIN : OK);
    assert_string_equal(scan(f, position_start, 100, &last).payloads, "145");
}

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
        EACH(an_append_is_taken_back_unless_its_commit_has_begun),
    };

    return cmocka_run_group_tests_name("queue_events", tests, NULL, NULL);
}
