// SPDX-License-Identifier: MIT
// test_deadline.c — a deadline fires, even if it is set again meanwhile.

#include <unistd.h>

#include "common/process/deadline.h"
#include "tests/support/unit.h"

#define WAIT_MS    5
#define ROUNDS_MAX 40

struct pair {
    struct deadline wanted;
    uv_timer_t ticker;
    int n_fired;
    int n_ticks;
};

static void on_fire(void *data)
{
    struct pair *p = data;

    p->n_fired++;
}

// Both are due when the loop looks: the work of a turn took longer than either waits.
static void on_tick(uv_timer_t *timer)
{
    struct pair *p = timer->data;

    deadline_within(&p->wanted, WAIT_MS);
    usleep(4 * WAIT_MS * 1000);
    if (++p->n_ticks == ROUNDS_MAX || p->n_fired > 2)
        uv_stop(timer->loop);
}

static void close_pair(struct pair *p, uv_loop_t *loop)
{
    deadline_close(&p->wanted, NULL);
    uv_close((uv_handle_t *)&p->ticker, NULL);
    uv_run(loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(loop), 0);
}

static void it_fires_beside_one_that_asks_for_it_each_time(void **state)
{
    struct pair p = { .n_fired = 0 };
    uv_loop_t loop;

    (void)state;
    uv_loop_init(&loop);
    uv_timer_init(&loop, &p.ticker);
    p.ticker.data = &p;
    deadline_init(&p.wanted, &loop, on_fire, &p);
    uv_timer_start(&p.ticker, on_tick, WAIT_MS, WAIT_MS);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_true(p.n_fired > 2);
    close_pair(&p, &loop);
}

static void it_fires_at_the_earliest_time_and_once(void **state)
{
    struct pair p = { .n_fired = 0 };
    uv_loop_t loop;

    (void)state;
    uv_loop_init(&loop);
    uv_timer_init(&loop, &p.ticker);
    deadline_init(&p.wanted, &loop, on_fire, &p);
    deadline_within(&p.wanted, 3600000);
    deadline_within(&p.wanted, 1);
    deadline_within(&p.wanted, 3600000);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(p.n_fired, 1);
    deadline_within(&p.wanted, 1);
    deadline_stop(&p.wanted);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(p.n_fired, 1);
    deadline_within(&p.wanted, 1); // after a stop it is as new
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(p.n_fired, 2);
    close_pair(&p, &loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_fires_beside_one_that_asks_for_it_each_time),
        cmocka_unit_test(it_fires_at_the_earliest_time_and_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
