// SPDX-License-Identifier: MIT
// test_payload_erasure.c — payloads of single events leave the log and the history, and
// each environment notes it, in whichever steps.

#include "tests/support/queue_fixture.h"

#define CANARY     "canary"
#define N_ATTEMPTS 5

static struct payload_order order_of(const struct event *e)
{
    return (struct payload_order){ .position = e->position,
                                   .event_id = e->id,
                                   .at_ms = 7 };
}

static enum err give(struct fixture *f, const struct event *e)
{
    const struct payload_order order = order_of(e);
    struct written w;
    const struct catalog_caller caller = caller_of(&w);

    payload_order_put(f->hooks, DIALECT_PULUMI, STR("acme"), &order, &caller);
    return outcome(f, &w);
}

static bool note_order(void *data, const struct payload_order *order)
{
    *(struct payload_order *)data = *order;
    return true;
}

static void withdraw(struct fixture *f)
{
    struct payload_order order = { .org_no = 0 };
    struct written w;
    const struct catalog_caller caller = caller_of(&w);

    assert_int_equal(payload_orders_each(f->hooks, 0, note_order, &order), OK);
    assert_int_not_equal(order.org_no, 0);
    payload_order_delete(f->hooks, &order, &caller);
    assert_int_equal(outcome(f, &w), OK);
}

// A second of ingest.
static void work_log(struct fixture *f)
{
    event_log_work_orders(f->log, f->hooks);
    trim_before(f, 0, UINT64_MAX);
    uv_run(&f->loop, UV_RUN_DEFAULT);
}

static void put_attempts(struct fixture *f, const struct event *e)
{
    struct shard_batch *c = shard_batch_new();

    for (unsigned i = 0; i < N_ATTEMPTS; i++) {
        const struct attempt a = { .hook_id = 1 + i % 2,
                                   .org_id = UINT64_C(1) << 63 | 1,
                                   .position = e->position,
                                   .event_id = e->id,
                                   .kind = STR("a.b"),
                                   .attempt = i + 1,
                                   .state = DELIVERY_RETRYING,
                                   .error = ERROR_STATUS,
                                   .response_code = 500,
                                   .request_headers = STR("a: " CANARY "\r\n"),
                                   .response_headers = STR("b: " CANARY "\r\n"),
                                   .response_body = STR(CANARY),
                                   .payload = STR(CANARY) };

        batch_attempt(c, &a);
    }
    commit(f, c);
    shard_batch_free(c);
}

struct counted {
    unsigned n, n_with;
};

static bool count(void *data, uint64_t no, const struct attempt *a)
{
    struct counted *counted = data;

    (void)no;
    assert_int_equal(a->response_code, 500);
    counted->n++;
    if (a->request_headers.n_bytes + a->response_headers.n_bytes +
            a->response_body.n_bytes + a->payload.n_bytes >
        0)
        counted->n_with++;
    return true;
}

static struct counted attempts_of(struct shard_view *view,
                                  const struct event *e)
{
    struct counted counted = { 0 };

    assert_int_equal(history_of_event(view, &e->position, 100, count, &counted),
                     OK);
    return counted;
}

static void on_trimmed(void *data, bool has_more)
{
    *(bool *)data = has_more;
}

// Steps of `max` attempts, until nothing is left. Returns how many it took.
static unsigned work_shard(struct fixture *f, struct shard_view *view,
                           struct payload_work *work, size_t max)
{
    const struct shard_retention keep = { .now_us = 1,
                                          .max_bytes = UINT64_MAX,
                                          .payloads = work };
    unsigned n_steps = 0;
    bool has_more;

    assert_int_equal(shard_view_payload_work(view, f->hooks, work), OK);
    do {
        has_more = false;
        assert_true(shard_trim(f->shard, &keep, max, on_trimmed, &has_more));
        uv_run(&f->loop, UV_RUN_DEFAULT);
    } while (has_more && ++n_steps < 100);
    return n_steps + 1;
}

static bool has_erased(struct fixture *f, struct shard_view *view,
                       const struct event *e, bool in_log)
{
    bool has = false;

    assert_int_equal(in_log ? event_view_has_erased(f->view, e->position, &has)
                            : shard_view_has_erased(view, e->position, &has),
                     OK);
    return has;
}

static void a_payload_leaves_log_and_history(void **state)
{
    struct fixture *f = *state;
    struct new_event events[] = { event_of("a.b", CANARY),
                                  event_of("a.b", "2") };
    struct new_event again = event_of("a.b", CANARY);
    const struct event *e = &events[0].event;
    struct payload_work work;
    struct shard_view *view;
    struct position last;
    struct append a;
    struct seen seen;

    events[0].event.cloud = STR("{\"source\":\"" CANARY "\"}");
    events[0].event.trace = STR("00-" CANARY);
    events[0].idempotency = again.idempotency = STR("k1");
    again.event.cloud = events[0].event.cloud;
    again.event.trace = events[0].event.trace;
    assert_int_equal(append(f, events, 2, &a), OK);
    put_attempts(f, e);
    put_attempts(f, &events[1].event);
    assert_int_equal(shard_view_open(&f->config, 0, &view), OK);
    assert_int_equal(attempts_of(view, e).n_with, N_ATTEMPTS);

    work_log(f); // nothing is ordered
    assert_false(has_erased(f, view, e, true));
    assert_int_equal(give(f, e), OK);
    assert_int_equal(give(f, e), OK); // the same order
    work_log(f);
    assert_true(has_erased(f, view, e, true));
    seen = scan(f, position_start, 1, &last);
    assert_true(event_is_erased(&seen.last));
    assert_true(seen.last.erased_at_ms > 0);
    assert_int_equal(event_stored_bytes(&seen.last), 0);
    assert_true(str_eq(seen.last.kind, STR("a.b")));
    assert_string_equal(scan(f, last, 100, &last).payloads, "2");
    // It stays what a repetition repeats.
    assert_int_equal(append(f, &again, 1, &a), OK);
    assert_false(again.was_stored);
    assert_int_equal(position_cmp(again.event.position, e->position), 0);

    assert_false(has_erased(f, view, e, false));
    assert_in_range(work_shard(f, view, &work, 2), 3, 9);
    assert_true(has_erased(f, view, e, false));
    assert_int_equal(attempts_of(view, e).n, N_ATTEMPTS);
    assert_int_equal(attempts_of(view, e).n_with, 0);
    assert_int_equal(attempts_of(view, &events[1].event).n_with, N_ATTEMPTS);

    // Without the order, the notes go.
    withdraw(f);
    work_log(f);
    work_shard(f, view, &work, 100);
    assert_false(has_erased(f, view, e, true));
    assert_false(has_erased(f, view, e, false));
    seen = scan(f, position_start, 1, &last);
    assert_true(event_is_erased(&seen.last));
}

static void an_event_that_is_gone_counts_as_erased(void **state)
{
    struct fixture *f = *state;
    struct event e = { .position = { { 0, 0, 0, 0, 0, 0, 0, 99 } } };
    struct payload_work work;
    struct shard_view *view;

    assert_int_equal(give(f, &e), OK);
    work_log(f);
    assert_int_equal(shard_view_open(&f->config, 0, &view), OK);
    assert_int_equal(work_shard(f, view, &work, 2), 1);
    assert_true(has_erased(f, view, &e, true));
    assert_true(has_erased(f, view, &e, false));
}

// After the log alone was restored, another event may have the position of an order.
static void an_event_of_another_id_is_left_alone(void **state)
{
    struct fixture *f = *state;
    struct new_event ne = event_of("a.b", "1");
    struct event other;
    struct payload_work work;
    struct shard_view *view;
    struct position last;
    struct append a;

    assert_int_equal(append(f, &ne, 1, &a), OK);
    put_attempts(f, &ne.event);
    other = ne.event;
    other.id.bytes[3] ^= 0x55;
    assert_int_equal(give(f, &other), OK);
    work_log(f);
    assert_int_equal(shard_view_open(&f->config, 0, &view), OK);
    work_shard(f, view, &work, 100);
    assert_true(has_erased(f, view, &other, true));
    assert_true(has_erased(f, view, &other, false));
    assert_string_equal(scan(f, position_start, 1, &last).payloads, "1");
    assert_int_equal(attempts_of(view, &ne.event).n_with, N_ATTEMPTS);
}

static void orders_of_an_organization_are_limited(void **state)
{
    struct fixture *f = *state;
    struct event e = { .position = { { 0, 0, 0, 0, 0, 0, 1, 0 } } };

    for (unsigned i = 0; i < PAYLOAD_ORDERS_MAX; i++) {
        e.id.bytes[0] = (uint8_t)(i / 256);
        e.id.bytes[1] = (uint8_t)i;
        assert_int_equal(give(f, &e), OK);
    }
    assert_int_equal(give(f, &e), OK); // one of them
    e.id.bytes[2] = 1;
    assert_int_equal(give(f, &e), ERR_TOOBIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_payload_leaves_log_and_history,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_event_that_is_gone_counts_as_erased,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_event_of_another_id_is_left_alone,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(orders_of_an_organization_are_limited,
                                        set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
