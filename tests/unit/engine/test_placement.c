// SPDX-License-Identifier: MIT
// test_placement.c — which senders endpoints go through: spread when they are new, even
// when some are busy, several for one that is busier than a sender.

#include <string.h>

#include "engine/dispatcher/schedule/placement.h"
#include "engine/dispatcher/schedule/schedule.h"
#include "tests/support/unit.h"

#define N_SENDERS 4
#define N_MAX     64
#define BUSY      100

struct world {
    struct schedule s;
    struct placement endpoints[N_MAX];
    size_t n;
};

static void begin(struct world *w, unsigned n_senders, size_t n)
{
    memset(w, 0, sizeof(*w));
    w->s.limits.n_senders = n_senders;
    w->s.limits.busy_attempts = BUSY;
    for (unsigned i = 0; i < n_senders; i++)
        w->s.senders[i].is_up = true;
    for (w->n = 0; w->n < n; w->n++)
        placement_begin(&w->s, &w->endpoints[w->n]);
}

// `n_looks` quarters of a second, in each of which endpoint i has `attempts[i]`. False:
// nothing was moved.
static bool pass(struct world *w, const uint32_t *attempts, unsigned n_looks)
{
    bool has_moved = false;

    for (; n_looks > 0; n_looks--) {
        struct placement_move move;

        placement_look_begin(&w->s);
        for (size_t i = 0; i < w->n; i++) {
            w->endpoints[i].n_begun = attempts[i];
            placement_count(&w->s, &w->endpoints[i]);
        }
        move = placement_want(&w->s);
        if (!move.is_wanted)
            continue;
        has_moved = true;
        for (size_t i = 0; i < w->n; i++)
            placement_consider(&w->s, &move, &w->endpoints[i]);
        placement_look_end(&w->s, &move);
    }
    return has_moved;
}

static uint64_t most_work(const struct world *w)
{
    uint64_t most = 0;

    for (unsigned i = 0; i < w->s.limits.n_senders; i++)
        most = w->s.senders[i].work > most ? w->s.senders[i].work : most;
    return most;
}

static void new_endpoints_are_spread(void **state)
{
    struct world w;

    (void)state;
    begin(&w, N_SENDERS, 10);
    for (unsigned i = 0; i < N_SENDERS; i++)
        assert_in_range(w.s.senders[i].n_endpoints, 2, 3);
    // One that ends makes room for the next.
    placement_end(&w.s, &w.endpoints[2]);
    placement_end(&w.s, &w.endpoints[6]);
    placement_begin(&w.s, &w.endpoints[2]);
    assert_int_equal(w.endpoints[2].senders, 1 << 2);
}

static void a_new_endpoint_goes_where_least_is_done(void **state)
{
    static const uint32_t attempts[N_MAX] = { 900, 10 };
    struct world w;

    (void)state;
    begin(&w, 2, 2);
    (void)pass(&w, attempts, 2);
    for (w.n = 2; w.n < 20; w.n++) {
        placement_begin(&w.s, &w.endpoints[w.n]);
        assert_int_equal(w.endpoints[w.n].senders, w.endpoints[1].senders);
    }
}

static void uneven_senders_become_even(void **state)
{
    uint32_t attempts[N_MAX] = { 0 };
    struct world w;
    uint64_t all = 0;

    (void)state;
    begin(&w, 2, 16);
    for (size_t i = 0; i < 16; i++) { // all that is busy on one
        attempts[i] = w.endpoints[i].senders == 1 ? 200 + (uint32_t)i : 5;
        all += attempts[i];
    }
    assert_true(pass(&w, attempts, 60));
    assert_true(most_work(&w) < all * 5 / 8);
    for (size_t i = 0; i < 16; i++) // none of them needs several
        assert_int_equal(__builtin_popcount(w.endpoints[i].senders), 1);
    assert_false(pass(&w, attempts, 200)); // and stay where they are
}

static void a_short_rush_moves_nothing(void **state)
{
    static const uint32_t rush[N_MAX] = { 5000, 0, 0, 0 };
    static const uint32_t calm[N_MAX] = { 0, 0, 0, 0 };
    static const uint32_t little[N_MAX] = { 60, 0, 0, 0 };
    struct world w;

    (void)state;
    begin(&w, 2, 4);
    for (int i = 0; i < 20; i++) {
        assert_false(pass(&w, rush, 1));
        assert_false(pass(&w, calm, 12));
    }
    assert_false(pass(&w, little, 100));
}

static void
a_hot_endpoint_gets_several_senders_and_gives_them_back(void **state)
{
    static const uint32_t hot[N_MAX] = { 4000, 1, 1 };
    static const uint32_t calm[N_MAX] = { 3, 1, 1 };
    struct world w;
    unsigned first;

    (void)state;
    begin(&w, N_SENDERS, 3);
    pass(&w, hot, 40);
    assert_int_equal(w.endpoints[0].senders, (1 << N_SENDERS) - 1);
    assert_int_equal(__builtin_popcount(w.endpoints[1].senders), 1);

    // Attempts go where the fewest are in flight, and not to one that is down.
    for (unsigned i = 0; i < N_SENDERS; i++)
        w.s.senders[i].n_sent = 10 - i;
    first = placement_sender(&w.s, &w.endpoints[0]);
    assert_int_equal(first, N_SENDERS - 1);
    w.s.senders[first].is_up = false;
    assert_int_equal(placement_sender(&w.s, &w.endpoints[0]), N_SENDERS - 2);
    w.s.senders[first].is_up = true;

    pass(&w, calm, 100);
    assert_int_equal(__builtin_popcount(w.endpoints[0].senders), 1);
    assert_int_equal(w.s.senders[0].n_endpoints + w.s.senders[1].n_endpoints +
                         w.s.senders[2].n_endpoints +
                         w.s.senders[3].n_endpoints,
                     3);
}

static void nothing_moves_to_a_sender_that_is_down(void **state)
{
    static const uint32_t attempts[N_MAX] = { 4000, 3000 };
    struct world w;

    (void)state;
    begin(&w, 3, 2);
    w.s.senders[2].is_up = false;
    pass(&w, attempts, 100);
    assert_int_equal(w.s.senders[2].n_endpoints, 0);
    w.s.senders[2].is_up = true;
    assert_true(pass(&w, attempts, 20));
    assert_int_equal(w.s.senders[2].n_endpoints, 1);
}

static void a_new_endpoint_avoids_a_sender_that_is_down(void **state)
{
    struct world w;

    (void)state;
    begin(&w, N_SENDERS, 8);
    w.s.senders[1].is_up = false;
    for (; w.n < 40; w.n++) {
        placement_begin(&w.s, &w.endpoints[w.n]);
        assert_true(w.endpoints[w.n].senders != 1U << 1);
    }
    assert_int_equal(w.s.senders[1].n_endpoints, 2);
    w.s.senders[1].is_up = true; // it has the least work now
    placement_begin(&w.s, &w.endpoints[w.n]);
    assert_int_equal(w.endpoints[w.n++].senders, 1 << 1);

    // When the engine starts, none is up yet.
    begin(&w, N_SENDERS, 0);
    for (unsigned i = 0; i < N_SENDERS; i++)
        w.s.senders[i].is_up = false;
    for (; w.n < N_SENDERS; w.n++)
        placement_begin(&w.s, &w.endpoints[w.n]);
    for (unsigned i = 0; i < N_SENDERS; i++)
        assert_int_equal(w.s.senders[i].n_endpoints, 1);
}

static void a_hot_endpoint_is_left_to_a_sender_that_is_up(void **state)
{
    static const uint32_t hot[N_MAX] = { 4000, 1, 1 };
    static const uint32_t calm[N_MAX] = { 3, 1, 1 };
    struct world w;

    (void)state;
    begin(&w, 2, 3);
    pass(&w, hot, 40);
    assert_int_equal(w.endpoints[0].senders, 3);
    for (unsigned i = 0; i < 2; i++) // whichever has fewer endpoints
        w.s.senders[i].is_up = w.s.senders[i].n_endpoints == 3;
    pass(&w, calm, 100);
    assert_int_equal(__builtin_popcount(w.endpoints[0].senders), 1);
    assert_true(w.s.senders[__builtin_ctz(w.endpoints[0].senders)].is_up);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_endpoints_are_spread),
        cmocka_unit_test(a_new_endpoint_goes_where_least_is_done),
        cmocka_unit_test(uneven_senders_become_even),
        cmocka_unit_test(a_short_rush_moves_nothing),
        cmocka_unit_test(
            a_hot_endpoint_gets_several_senders_and_gives_them_back),
        cmocka_unit_test(nothing_moves_to_a_sender_that_is_down),
        cmocka_unit_test(a_new_endpoint_avoids_a_sender_that_is_down),
        cmocka_unit_test(a_hot_endpoint_is_left_to_a_sender_that_is_up),
    };

    return cmocka_run_group_tests_name("placement", tests, NULL, NULL);
}
