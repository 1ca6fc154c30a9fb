// SPDX-License-Identifier: MIT
// test_lanes.c — who shares a connection of HTTP/2: requests of one hook, once a response
// has come and while nothing is slow; an idle lane may pass to another hook, a failed one
// gets nothing more, and there is a limit to lanes and to what they keep.

#include <string.h>
#include <uv.h>

#include "common/base/clock.h"
#include "common/config/config.h"
#include "common/config/settings.h"
#include "engine/sender/private.h"
#include "engine/sender/transfer.h"
#include "tests/support/unit.h"

#define URL       "https://receiver.example:8443/path?query"
#define LANES_MAX 256
#define STREAMS   100
#define SECOND_US INT64_C(1000000)
#define N_MAX     400

struct world {
    uv_loop_t loop;
    struct config config;
    struct transfers *ts;
    struct transfer made[N_MAX];
    size_t n;
};

static void on_done(void *data, const struct outcome *outcome)
{
    (void)data;
    (void)outcome;
    fail_msg("no attempt is really made");
}

static struct order order_of(uint64_t hook_no)
{
    return (struct order){ .url = STR(URL), .hook_no = hook_no };
}

// Begins an attempt, as transfer.c does.
static struct transfer *begin(struct world *w, const struct order *order)
{
    struct transfer *t = &w->made[w->n++];

    assert_true(w->n <= N_MAX);
    t->owner = w->ts;
    t->begun_at_us = clock_mono_us();
    buf_put_str(&t->copy, order->url);
    buf_putc(&t->copy, '\0');
    t->lane = lane_of(w->ts, order, &t->http_version);
    lane_enter(t->lane, order);
    list_push(&w->ts->inflight, &t->node);
    return t;
}

static struct transfer *begin_of(struct world *w, uint64_t hook_no)
{
    struct order order = order_of(hook_no);

    return begin(w, &order);
}

static void answer(struct transfer *t)
{
    t->has_header_block = true;
    t->is_http2 = true;
    lane_answered(t);
}

static void end(struct transfer *t, bool is_sound)
{
    list_remove(&t->owner->inflight, &t->node);
    lane_leave(t, is_sound);
}

static void answer_and_end(struct transfer *t)
{
    answer(t);
    end(t, true);
}

// Transfers live as long as their process, and so do these worlds.
static struct world worlds[16];
static size_t n_worlds;

static struct world *world_new(void)
{
    char http2[] = "http2=on";
    char inflight[] = "max_inflight=64";
    char *const sets[] = { http2, inflight };
    struct config_sources sources = { .sets = sets,
                                      .n_sets = 2,
                                      .no_environment = true };
    struct world *w = &worlds[n_worlds++];
    struct buf faults;

    buf_init(&faults, 0);
    assert_int_equal(config_load(&sources, &w->config, &faults), OK);
    buf_clear(&faults);
    assert_int_equal(uv_loop_init(&w->loop), 0);
    w->ts = transfers_new(&w->loop, &w->config, on_done, NULL);
    return w;
}

// The receiver is known to speak HTTP/2.
static struct world *world_that_knows(void)
{
    struct world *w = world_new();
    struct transfer *first = begin_of(w, 1);

    assert_ptr_equal(first->lane, w->ts->common);
    answer_and_end(first);
    return w;
}

static void look_after(struct world *w, int64_t us)
{
    lanes_look(w->ts, clock_mono_us() + us);
    uv_run(&w->loop, UV_RUN_NOWAIT); // frees what was closed
}

// --- who may share ---

static void unknown_receivers_get_no_lane(void **state)
{
    struct world *w = world_new();
    struct order plain = { .url = STR("http://receiver.example/"),
                           .hook_no = 1 };
    struct transfer *t = begin(w, &plain);

    (void)state;
    assert_ptr_equal(t->lane, w->ts->common);
    assert_int_equal(t->http_version, CURL_HTTP_VERSION_1_1);
    t = begin_of(w, 1);
    assert_ptr_equal(t->lane, w->ts->common);
    assert_int_equal(t->http_version, CURL_HTTP_VERSION_2TLS);
    // One that answers by HTTP/1.1 stays there.
    t->has_header_block = true;
    end(t, true);
    assert_ptr_equal(begin_of(w, 1)->lane, w->ts->common);
    assert_int_equal(w->ts->n_lanes, 0);
}

static void a_request_joins_its_hook_once_a_response_came(void **state)
{
    struct world *w = world_that_knows();
    struct transfer *first = begin_of(w, 1);
    struct transfer *second = begin_of(w, 1);

    (void)state;
    assert_ptr_not_equal(first->lane, w->ts->common);
    // Nobody waits for the handshake of another request.
    assert_ptr_not_equal(second->lane, first->lane);
    answer(first);
    assert_ptr_equal(begin_of(w, 1)->lane, first->lane);
    assert_int_equal(first->lane->n_inflight, 2);
    assert_ptr_not_equal(begin_of(w, 2)->lane, first->lane);
}

static void the_fullest_lane_is_joined_until_it_is_full(void **state)
{
    struct world *w = world_that_knows();
    struct transfer *few = begin_of(w, 1);
    struct transfer *many = begin_of(w, 1);

    (void)state;
    answer(many);
    assert_ptr_equal(begin_of(w, 1)->lane, many->lane);
    answer(few);
    while (many->lane->n_inflight < STREAMS)
        assert_ptr_equal(begin_of(w, 1)->lane, many->lane);
    assert_ptr_equal(begin_of(w, 1)->lane, few->lane);
}

static void nobody_joins_a_slow_request(void **state)
{
    struct world *w = world_that_knows();
    struct transfer *t = begin_of(w, 1);

    (void)state;
    answer(t);
    t->begun_at_us -= 2 * SECOND_US;
    look_after(w, 0);
    assert_ptr_not_equal(begin_of(w, 1)->lane, t->lane);
    t->begun_at_us += 2 * SECOND_US; // as if that one had ended
    look_after(w, 0);
    assert_ptr_equal(begin_of(w, 1)->lane, t->lane);
}

// --- idle lanes ---

static void an_idle_lane_passes_to_another_hook(void **state)
{
    struct world *w = world_that_knows();
    struct transfer *t = begin_of(w, 1);
    struct lane *lane = t->lane;
    struct transfer *own;

    (void)state;
    answer_and_end(t);
    t = begin_of(w, 2);
    assert_ptr_equal(t->lane, lane);
    // While the other hook has it, the first one gets a new one; then each its own.
    own = begin_of(w, 1);
    assert_ptr_not_equal(own->lane, lane);
    answer_and_end(t);
    answer_and_end(own);
    assert_ptr_equal(begin_of(w, 2)->lane, lane);
    assert_ptr_equal(begin_of(w, 1)->lane, own->lane);
}

static void a_lane_with_a_client_certificate_stays_with_its_hook(void **state)
{
    struct world *w = world_that_knows();
    struct order shown = order_of(1);
    struct order other = order_of(2);
    struct transfer *t;

    (void)state;
    shown.client_cert = STR("certificate of 1");
    other.client_cert = STR("certificate of 2");
    t = begin(w, &shown);
    answer_and_end(t);
    assert_ptr_not_equal(begin(w, &other)->lane, t->lane);
    assert_ptr_not_equal(begin_of(w, 3)->lane, t->lane);
    assert_ptr_equal(begin(w, &shown)->lane, t->lane);
    // And with a certificate no lane of another hook is taken.
    t = begin_of(w, 4);
    answer_and_end(t);
    other.hook_no = 5;
    assert_ptr_not_equal(begin(w, &other)->lane, t->lane);
}

static void an_idle_lane_must_be_proven_again_after_a_while(void **state)
{
    struct world *w = world_that_knows();
    struct transfer *t = begin_of(w, 1);

    (void)state;
    answer_and_end(t);
    t->lane->used_at_us -= 20 * SECOND_US; // the receiver may have closed it
    t = begin_of(w, 1);
    assert_false(t->lane->is_proven);
    assert_ptr_not_equal(begin_of(w, 1)->lane, t->lane);
}

static void idle_and_old_lanes_end(void **state)
{
    struct world *w = world_that_knows();
    struct transfer *t = begin_of(w, 1);

    (void)state;
    answer_and_end(t);
    look_after(w, 59 * SECOND_US);
    assert_int_equal(w->ts->n_lanes, 1);
    look_after(w, 61 * SECOND_US);
    assert_int_equal(w->ts->n_lanes, 0);
    t = begin_of(w, 1); // in use, but too old for another request
    answer(t);
    look_after(w, 301 * SECOND_US);
    assert_int_equal(w->ts->n_lanes, 1);
    assert_ptr_not_equal(begin_of(w, 1)->lane, t->lane);
}

// --- failures and limits ---

static void a_failed_lane_gets_nothing_more(void **state)
{
    struct world *w = world_that_knows();
    struct transfer *t = begin_of(w, 1);
    struct transfer *beside;
    struct lane *lane = t->lane;

    (void)state;
    answer(t);
    beside = begin_of(w, 1);
    assert_ptr_equal(beside->lane, lane);
    end(t, false);
    assert_ptr_not_equal(begin_of(w, 1)->lane, lane);
    look_after(w, 0);
    assert_int_equal(w->ts->n_lanes, 2); // it waits for the last one
    answer_and_end(beside);
    assert_ptr_not_equal(begin_of(w, 1)->lane, lane);
    assert_int_equal(w->ts->n_lanes, 3);
    look_after(w, 0);
    assert_int_equal(w->ts->n_lanes, 2);
}

static void who_asks_for_http_1_1_gets_it(void **state)
{
    struct world *w = world_that_knows();
    struct transfer *t = begin_of(w, 1);

    (void)state;
    t->has_header_block = true; // by HTTP/1.1
    end(t, true);
    t = begin_of(w, 1);
    assert_ptr_equal(t->lane, w->ts->common);
    assert_int_equal(t->http_version, CURL_HTTP_VERSION_1_1);
}

static void there_is_a_limit_to_lanes(void **state)
{
    struct world *w = world_that_knows();
    struct transfer *t;

    (void)state;
    for (uint64_t i = 0; i < LANES_MAX; i++)
        assert_ptr_not_equal(begin_of(w, i)->lane, w->ts->common);
    assert_int_equal(w->ts->n_lanes, LANES_MAX);
    t = begin_of(w, 1000);
    assert_ptr_equal(t->lane, w->ts->common);
    answer_and_end(t);
    answer_and_end(&w->made[17]); // an idle one passes on
    assert_ptr_equal(begin_of(w, 1000)->lane, w->made[17].lane);
}

static void lanes_keep_no_more_connections_than_they_may(void **state)
{
    struct world *w = world_that_knows();
    struct transfer *t[4];

    (void)state;
    assert_int_equal(w->ts->common_max, 128); // of 64 attempts at once
    for (size_t i = 0; i < 4; i++) {
        t[i] = begin_of(w, i);
        t[i]->lane->n_connections = 20;
    }
    look_after(w, 0);
    assert_int_equal(w->ts->n_lanes, 4); // 80, which are all in use
    assert_int_equal(w->ts->common_max, 64);
    for (size_t i = 3; i > 0; i--) {
        answer_and_end(t[i]);
        t[i]->lane->used_at_us += (int64_t)(3 - i); // 3 was idle first
    }
    look_after(w, 0);
    assert_int_equal(w->ts->n_lanes, 3);
    assert_int_equal(w->ts->common_max, 128 - 60);
    assert_ptr_equal(begin_of(w, 2)->lane, t[2]->lane);
    assert_ptr_equal(begin_of(w, 1)->lane, t[1]->lane);
    w->config.max_inflight = 100; // the settings were read again
    look_after(w, 0);
    assert_int_equal(w->ts->common_max, 200 - 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_receivers_get_no_lane),
        cmocka_unit_test(a_request_joins_its_hook_once_a_response_came),
        cmocka_unit_test(the_fullest_lane_is_joined_until_it_is_full),
        cmocka_unit_test(nobody_joins_a_slow_request),
        cmocka_unit_test(an_idle_lane_passes_to_another_hook),
        cmocka_unit_test(a_lane_with_a_client_certificate_stays_with_its_hook),
        cmocka_unit_test(an_idle_lane_must_be_proven_again_after_a_while),
        cmocka_unit_test(idle_and_old_lanes_end),
        cmocka_unit_test(a_failed_lane_gets_nothing_more),
        cmocka_unit_test(who_asks_for_http_1_1_gets_it),
        cmocka_unit_test(there_is_a_limit_to_lanes),
        cmocka_unit_test(lanes_keep_no_more_connections_than_they_may),
    };

    return cmocka_run_group_tests_name("lanes", tests, NULL, NULL);
}
