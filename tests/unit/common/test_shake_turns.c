// SPDX-License-Identifier: MIT
// test_shake_turns.c — whose TLS handshake goes on next.

#include "common/stream/shake_turns.h"

#include "tests/support/unit.h"

#define SECOND_US INT64_C(1000000)
#define MANY      100
#define NOW       (100 * SECOND_US)

struct world {
    struct shake_turns turns;
    struct shaker *served[4 * MANY];
    size_t n_served;
    size_t n_evicted;
    bool is_leaving; // whoever is served is done
};

static void on_turn(void *data, struct shaker *shaker)
{
    struct world *w = data;

    assert_true(w->n_served < (size_t)4 * MANY);
    w->served[w->n_served++] = shaker;
    if (w->is_leaving)
        shakes_leave(&w->turns, shaker);
}

static void on_evicted(void *data, struct shaker *shaker)
{
    struct world *w = data;

    assert_null(shaker->peer);
    w->n_evicted++;
}

static void begin(struct world *w, unsigned max_per_second)
{
    *w = (struct world){ .n_served = 0 };
    shakes_init(&w->turns, max_per_second);
    w->turns.on_turn = on_turn;
    w->turns.on_evicted = on_evicted;
    w->turns.data = w;
}

static void v4(uint8_t out[SHAKE_ADDRESS_BYTES], uint8_t last)
{
    memset(out, 0, SHAKE_ADDRESS_BYTES);
    out[10] = 0xff;
    out[11] = 0xff;
    out[12] = 10;
    out[15] = last;
}

static void join(struct world *w, struct shaker *shaker, uint8_t last)
{
    uint8_t address[SHAKE_ADDRESS_BYTES];

    v4(address, last);
    shakes_join(&w->turns, shaker, address, false);
    shakes_ready(&w->turns, shaker);
}

static void run_all(struct world *w, int64_t now_us)
{
    int n_left = 10 * MANY;

    while (shakes_run(&w->turns, now_us))
        assert_true(n_left-- > 0);
}

static void end(struct world *w, struct shaker *shakers, size_t n)
{
    for (size_t i = 0; i < n; i++)
        shakes_leave(&w->turns, &shakers[i]);
    assert_int_equal(w->turns.peers.n, 0);
    assert_null(w->turns.ring.first);
    assert_null(w->turns.stalled.first);
    shakes_clear(&w->turns);
}

static void a_crowd_of_one_address_delays_another_by_one_step(void **state)
{
    struct shaker crowd[MANY];
    struct shaker other;
    struct world w;

    (void)state;
    begin(&w, 100000);
    for (size_t i = 0; i < MANY; i++)
        join(&w, &crowd[i], 1);
    join(&w, &other, 2);
    assert_true(shakes_run(&w.turns, NOW));
    assert_true(shakes_run(&w.turns, NOW));
    assert_ptr_equal(w.served[1], &other);
    shakes_leave(&w.turns, &other);
    end(&w, crowd, MANY);
}

static void an_address_begins_so_many_a_second_and_the_rest_waits(void **state)
{
    struct shaker crowd[10];
    struct shaker other;
    struct world w;

    (void)state;
    begin(&w, 4);
    w.is_leaving = true;
    for (size_t i = 0; i < 10; i++)
        join(&w, &crowd[i], 1);
    run_all(&w, NOW);
    assert_int_equal(w.n_served, 4);
    shakes_tick(&w.turns);
    run_all(&w, NOW + 1);
    assert_int_equal(w.n_served, 4);
    join(&w, &other, 2);
    run_all(&w, NOW + 1);
    assert_int_equal(w.n_served, 5);
    shakes_tick(&w.turns);
    run_all(&w, NOW + SECOND_US / 2 + 2);
    assert_int_equal(w.n_served, 7);
    shakes_tick(&w.turns);
    run_all(&w, NOW + 5 * SECOND_US);
    assert_int_equal(w.n_served, 11);
    end(&w, crowd, 10);
}

static void what_has_begun_goes_on_while_nothing_new_may_begin(void **state)
{
    struct shaker shakers[2];
    struct world w;

    (void)state;
    begin(&w, 1);
    join(&w, &shakers[0], 1);
    run_all(&w, NOW);
    join(&w, &shakers[1], 1);
    run_all(&w, NOW);
    assert_int_equal(w.n_served, 1); // the second one waits
    shakes_ready(&w.turns, &shakers[0]);
    run_all(&w, NOW);
    assert_int_equal(w.n_served, 2);
    assert_ptr_equal(w.served[1], &shakers[0]);
    end(&w, shakers, 2);
}

static void the_oldest_that_hangs_makes_room(void **state)
{
    struct shaker shakers[SHAKES_AT_ONCE + 1];
    struct world w;

    (void)state;
    begin(&w, 100000);
    for (size_t i = 0; i < SHAKES_AT_ONCE; i++)
        join(&w, &shakers[i], 1);
    run_all(&w, NOW);
    assert_int_equal(w.n_served, SHAKES_AT_ONCE);
    join(&w, &shakers[SHAKES_AT_ONCE], 1);
    run_all(&w, NOW + SECOND_US / 2);
    assert_int_equal(w.n_served, SHAKES_AT_ONCE); // they may still be done
    shakes_tick(&w.turns);
    run_all(&w, NOW + 2 * SECOND_US);
    assert_int_equal(w.n_evicted, 1);
    assert_null(shakers[0].peer);
    assert_ptr_equal(w.served[SHAKES_AT_ONCE], &shakers[SHAKES_AT_ONCE]);
    end(&w, shakers, SHAKES_AT_ONCE + 1);
}

static void an_ipv6_network_is_one_address(void **state)
{
    uint8_t address[SHAKE_ADDRESS_BYTES] = { 0x20, 1, 0xd, 0xb8 };
    struct shaker shakers[3];
    struct world w;

    (void)state;
    begin(&w, 1);
    w.is_leaving = true;
    for (uint8_t i = 0; i < 2; i++) {
        address[15] = i; // the same network
        shakes_join(&w.turns, &shakers[i], address, false);
        shakes_ready(&w.turns, &shakers[i]);
    }
    address[7] = 1; // another one
    shakes_join(&w.turns, &shakers[2], address, false);
    shakes_ready(&w.turns, &shakers[2]);
    run_all(&w, NOW);
    assert_int_equal(w.n_served, 2);
    assert_null(shakers[0].peer);
    assert_non_null(shakers[1].peer);
    assert_null(shakers[2].peer);
    end(&w, shakers, 3);
}

static void what_stands_for_many_begins_as_many_as_come(void **state)
{
    struct world w;
    struct shaker shakers[2 * MANY];
    uint8_t address[SHAKE_ADDRESS_BYTES];

    (void)state;
    begin(&w, 1);
    v4(address, 1);
    for (size_t i = 0; i < (size_t)2 * MANY; i++) {
        shakes_join(&w.turns, &shakers[i], address, true);
        shakes_ready(&w.turns, &shakers[i]);
    }
    run_all(&w, NOW);
    assert_int_equal(w.n_served, 2 * MANY);
    assert_int_equal(w.n_evicted, 0);
    end(&w, shakers, (size_t)2 * MANY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_crowd_of_one_address_delays_another_by_one_step),
        cmocka_unit_test(an_address_begins_so_many_a_second_and_the_rest_waits),
        cmocka_unit_test(what_has_begun_goes_on_while_nothing_new_may_begin),
        cmocka_unit_test(the_oldest_that_hangs_makes_room),
        cmocka_unit_test(an_ipv6_network_is_one_address),
        cmocka_unit_test(what_stands_for_many_begins_as_many_as_come),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
