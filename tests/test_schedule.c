// SPDX-License-Identifier: MIT
// test_schedule.c — which deliveries wait in a dispatcher, and which may be sent next:
// hook queues, the ring, wait queues, endpoints and attempts in flight, alone and in
// random steps.
//
// Random steps simulate the dispatcher: deliveries arrive, hooks have their turns,
// attempts succeed, fail, or do not end. After each step the books must balance. A
// failing seed is printed, and SCHEDULE_SEED=N runs it again.

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "common/base/clock.h"
#include "common/base/codec.h"
#include "engine/delivery/throttle.h"
#include "engine/dispatcher/schedule/delivery_table.h"
#include "engine/dispatcher/schedule/endpoint.h"
#include "engine/dispatcher/schedule/hook_queue.h"
#include "engine/dispatcher/schedule/hook_schedule.h"
#include "engine/dispatcher/schedule/hook_state.h"
#include "engine/dispatcher/schedule/in_flight.h"
#include "engine/dispatcher/schedule/schedule.h"
#include "tests/support/unit.h"

#define N_HOOKS   8
#define N_SENDERS 2
#define N_STEPS   20000
#define PLACES    6 // capacity of a sender

struct world {
    uv_loop_t loop;
    struct config config;
    struct dispatcher d;
    struct hook hooks[N_HOOKS];
    struct hook_state hook_state[N_HOOKS];
    uint64_t next_event;
    uint64_t random;
};

static void on_deadline(void *data)
{
    (void)data;
}

static void add_hook(struct world *w, size_t i, bool is_ordered)
{
    // Two hooks share a receiver.
    const struct str urls[] = { STR("https://a.example/x"),
                                STR("https://a.example/y"),
                                STR("https://b.example/"),
                                STR("https://c.example/") };
    struct hook_state *f = &w->hook_state[i];

    w->hooks[i] = (struct hook){ .no = i + 1,
                                 .url = urls[i % 4],
                                 .active = true,
                                 .policy = { .ordered = is_ordered } };
    f->dispatcher = &w->d;
    f->no = i + 1;
    f->hook = &w->hooks[i];
    f->is_responsive = true;
    f->wanted_sender = (unsigned)(i % N_SENDERS);
    f->endpoint = endpoint_use(&w->d, w->hooks[i].url);
    f->limits = (struct throttle_limits){ .max_inflight = 4,
                                          .breaker_failures = 5,
                                          .breaker_wait_us = 1,
                                          .breaker_wait_max_us = 1 };
    throttle_init(&f->throttle, 2);
    deadline_init(&f->rows_due, &w->loop, on_deadline, f);
    deadline_init(&f->pause_over, &w->loop, on_deadline, f);
}

static struct world *world_new(uint64_t seed)
{
    struct world *w = calloc(1, sizeof(*w));

    assert_non_null(w);
    w->random = seed;
    uv_loop_init(&w->loop);
    w->config.max_inflight = PLACES;
    w->config.max_inflight_slow = 2;
    w->config.max_inflight_per_endpoint = 5;
    w->config.max_manual = 2;
    w->d.config = &w->config;
    w->d.n_senders = N_SENDERS;
    for (unsigned i = 0; i < N_SENDERS; i++) {
        w->d.senders[i] =
            (struct sender_link){ .dispatcher = &w->d, .index = i };
    }
    delivery_table_init(&w->d);
    in_flight_init_slots(&w->d);
    return w;
}

static void on_closed(uv_handle_t *handle)
{
    (void)handle;
}

static void world_free(struct world *w)
{
    for (size_t i = 0; i < N_HOOKS; i++) {
        endpoint_drop(&w->d, w->hook_state[i].endpoint);
        deadline_close(&w->hook_state[i].rows_due, on_closed);
        deadline_close(&w->hook_state[i].pause_over, on_closed);
    }
    uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&w->loop), 0);
    for (size_t i = 0; i < w->d.n_slots; i++) {
        buf_clear(&w->d.slots[i].kind);
        buf_clear(&w->d.slots[i].url);
        buf_clear(&w->d.slots[i].headers);
        buf_clear(&w->d.slots[i].body);
    }
    while (w->d.free_deliveries != NULL) {
        struct delivery *dv = w->d.free_deliveries;

        w->d.free_deliveries = dv->next;
        free(dv);
    }
    free(w->d.slots);
    free(w->d.open);
    free(w->d.endpoints);
    free(w->d.ordering_keys_seen);
    free(w);
}

// --- steps ---

static uint64_t roll(struct world *w, uint64_t n)
{
    w->random ^= w->random << 13;
    w->random ^= w->random >> 7;
    w->random ^= w->random << 17;
    return w->random % n;
}

static struct delivery *arrive(struct world *w, size_t i)
{
    struct position position;
    struct delivery *dv;

    put_be64(position.bytes, ++w->next_event);
    dv = delivery_add(&w->d, &w->hook_state[i], position);
    dv->is_from_log = true;
    hook_enqueue(&w->d, dv);
    return dv;
}

// Gives the first hook in a sender's ring its turn, as dispatch.c does.
static struct delivery *take_turn(struct world *w, unsigned sender)
{
    struct sender_link *link = &w->d.senders[sender];
    struct delivery *dv = NULL;
    struct hook_state *f;
    int64_t until_ms;

    if (link->ring_first == NULL || link->n_sent >= PLACES ||
        w->d.free_slot == NO_SLOT)
        return NULL;
    f = ring_take(link);
    if (!hook_is_its_time(f)) {
        return NULL;
    }
    if (!sender_admits_unresponsive(link, f)) {
        wait_queue_enter(&link->untrusted, f);
    } else if (!endpoint_admits(f)) {
        endpoint_wait(f);
    } else {
        dv = hook_queue_next(&w->d, f, &until_ms);
        f->is_blocked = dv == NULL && f->first != NULL;
        if (dv != NULL) {
            throttle_sent(&f->throttle, &f->limits, clock_mono_us());
            in_flight_take(&w->d, dv);
        }
        hook_mark_ready(f);
    }
    return dv;
}

static struct slot *any_in_flight(struct world *w)
{
    size_t from = (size_t)roll(w, w->d.n_slots);

    for (size_t i = 0; i < w->d.n_slots; i++) {
        struct slot *s = &w->d.slots[(from + i) % w->d.n_slots];

        if (s->delivery != NULL)
            return s;
    }
    return NULL;
}

enum ending { ENDS_WELL, ENDS_UNREACHABLE, ENDS_WITH_SENDER };

static void end_attempt(struct world *w, struct slot *s, enum ending how)
{
    struct delivery *dv = s->delivery;
    struct hook_state *f = dv->hook;
    enum feedback feedback =
        how == ENDS_WELL ? FEEDBACK_ANSWERED : FEEDBACK_UNREACHABLE;

    if (how == ENDS_WITH_SENDER) {
        throttle_lost(&f->throttle);
        in_flight_free(&w->d, s);
        hook_requeue(&w->d, dv);
        return;
    }
    endpoint_heard(&w->d, s->endpoint, feedback);
    f->is_responsive = how == ENDS_WELL;
    f->is_blocked = false;
    throttle_ended(&f->throttle, &f->limits, feedback, clock_mono_us(), 0, 0);
    in_flight_free(&w->d, s);
    if (dv->is_listed)
        hook_queue_remove(&w->d, dv);
    delivery_remove(&w->d, dv);
    hook_mark_ready(f);
}

// --- what must always hold ---

static uint32_t count_ring(const struct sender_link *link,
                           const struct hook_state *f)
{
    uint32_t n = 0;

    for (const struct hook_state *at = link->ring_first; at != NULL;
         at = at->next_ready)
        n += at == f;
    return n;
}

static void check_hook(const struct world *w, const struct hook_state *f)
{
    uint32_t n_ring = 0, n_waiting = 0, n_sent = 0, n_in_flight = 0;

    for (unsigned i = 0; i < N_SENDERS; i++)
        n_ring += count_ring(&w->d.senders[i], f);
    assert_int_equal(n_ring, f->place == HOOK_IN_RING);
    assert_true((f->room != NULL) == (f->place == HOOK_IN_WAIT_QUEUE));
    for (const struct delivery *dv = f->first; dv != NULL; dv = dv->next) {
        assert_true(dv->is_listed && dv->hook == f);
        n_waiting += dv->place == DELIVERY_WAITING;
        n_sent += dv->place == DELIVERY_SENT;
        if (hook_is_ordered(f) && dv->next != NULL)
            assert_true(position_cmp(dv->position, dv->next->position) < 0);
    }
    for (size_t i = 0; i < w->d.n_slots; i++) {
        const struct delivery *dv = w->d.slots[i].delivery;

        if (dv != NULL && dv->hook == f) {
            assert_int_equal(dv->place, DELIVERY_SENT);
            n_in_flight++;
        }
    }
    assert_int_equal(f->n_sent, n_in_flight);
    assert_int_equal(f->n_open, n_waiting + n_in_flight);
    assert_int_equal(n_sent, hook_is_ordered(f) ? n_in_flight : 0);
    if (hook_is_ordered(f))
        assert_true(n_in_flight <= 1); // all have the same ordering key
    // No hook is lost: a hook with waiting deliveries is in a queue, or the end of an
    // attempt brings it back.
    if (n_waiting > 0 && f->place == HOOK_RESTS)
        assert_true(n_in_flight > 0 || f->pause_over.is_set);
}

static void check_books(const struct world *w)
{
    uint32_t n_sent = 0, n_waiting = 0;

    for (size_t i = 0; i < N_HOOKS; i++)
        check_hook(w, &w->hook_state[i]);
    for (unsigned k = 0; k < N_SENDERS; k++) {
        const struct sender_link *link = &w->d.senders[k];
        uint32_t n = 0, n_unresponsive = 0;

        for (size_t i = 0; i < w->d.n_slots; i++) {
            const struct slot *s = &w->d.slots[i];

            n += s->delivery != NULL && s->sender == k;
            n_unresponsive +=
                s->delivery != NULL && s->sender == k && s->is_unresponsive;
        }
        assert_int_equal(link->n_sent + link->n_slow, n);
        assert_int_equal(link->n_unresponsive, n_unresponsive);
        assert_true(n <= PLACES);
        assert_true(n_unresponsive <= sender_share(link, 2));
        n_sent += n;
    }
    assert_int_equal(w->d.n_sent, n_sent);
    for (const struct delivery *dv = w->d.from_log_first; dv != NULL;
         dv = dv->from_log_next)
        n_waiting++;
    assert_int_equal(w->d.n_from_log, n_waiting);
    assert_int_equal(w->d.n_open, n_waiting + w->d.n_loaded + n_sent);
}

// --- tests ---

static void step(struct world *w)
{
    struct slot *s;

    switch (roll(w, 4)) {
    case 0:
        if (w->d.n_open < 200)
            arrive(w, (size_t)roll(w, N_HOOKS));
        break;
    case 1:
    case 2:
        take_turn(w, (unsigned)roll(w, N_SENDERS));
        break;
    default:
        s = any_in_flight(w);
        if (s != NULL) {
            end_attempt(w, s,
                        (enum ending)(roll(w, 8) < 6 ? 0 : 1 + roll(w, 2)));
        }
        break;
    }
}

static void books_balance_after_any_steps(void **state)
{
    const char *given = getenv("SCHEDULE_SEED");
    uint64_t seed =
        given != NULL ? strtoull(given, NULL, 10) : 88172645463325252;
    struct world *w = world_new(seed);

    (void)state;
    printf("seed: %llu\n", (unsigned long long)seed);
    for (size_t i = 0; i < N_HOOKS; i++)
        add_hook(w, i, i % 3 == 2);
    for (size_t i = 0; i < N_STEPS; i++) {
        step(w);
        check_books(w);
    }
    // Once nothing arrives and all attempts succeed, every delivery is sent.
    for (size_t i = 0; i < N_STEPS && w->d.n_open > 0; i++) {
        struct slot *s = any_in_flight(w);

        if (s != NULL)
            end_attempt(w, s, ENDS_WELL);
        for (unsigned k = 0; k < N_SENDERS; k++)
            take_turn(w, k);
        for (size_t k = 0; k < N_HOOKS; k++)
            hook_mark_ready(&w->hook_state[k]); // as its timer would
        check_books(w);
    }
    assert_int_equal(w->d.n_open, 0);
    world_free(w);
}

static void hooks_have_their_turns_in_a_ring(void **state)
{
    struct world *w = world_new(1);
    struct delivery *first, *second, *third;

    (void)state;
    for (size_t i = 0; i < N_HOOKS; i++)
        add_hook(w, i, false);
    // Hooks 0 and 2 have the same sender: the many deliveries of hook 0 do not all go
    // first.
    arrive(w, 0);
    arrive(w, 0);
    arrive(w, 2);
    first = take_turn(w, 0);
    second = take_turn(w, 0);
    third = take_turn(w, 0);
    assert_ptr_equal(first->hook, &w->hook_state[0]);
    assert_ptr_equal(second->hook, &w->hook_state[2]);
    assert_ptr_equal(third->hook, &w->hook_state[0]);
    assert_null(take_turn(w, 0));
    for (struct slot *s = any_in_flight(w); s != NULL; s = any_in_flight(w))
        end_attempt(w, s, ENDS_WELL);
    world_free(w);
}

static void an_ordered_hook_sends_one_after_the_other(void **state)
{
    struct world *w = world_new(1);
    struct delivery *first;

    (void)state;
    for (size_t i = 0; i < N_HOOKS; i++)
        add_hook(w, i, true);
    first = arrive(w, 0);
    arrive(w, 0);
    assert_ptr_equal(take_turn(w, 0), first);
    assert_null(take_turn(w, 0)); // the second waits for the end of the first
    end_attempt(w, any_in_flight(w), ENDS_WITH_SENDER);
    assert_ptr_equal(take_turn(w, 0), first); // which goes first again
    end_attempt(w, any_in_flight(w), ENDS_WELL);
    assert_non_null(take_turn(w, 0));
    end_attempt(w, any_in_flight(w), ENDS_WELL);
    assert_int_equal(w->d.n_open, 0);
    world_free(w);
}

// Hooks whose receivers do not answer may use half of the capacity, and wait until some
// of it is free.
static void who_did_not_answer_waits_for_a_share(void **state)
{
    struct world *w = world_new(1);
    struct hook_state *last = &w->hook_state[6];

    (void)state;
    for (size_t i = 0; i < N_HOOKS; i++) {
        add_hook(w, i, false);
        w->hook_state[i].is_responsive = false;
    }
    for (size_t i = 0; i < N_HOOKS; i += 2)
        arrive(w, i);
    assert_non_null(take_turn(w, 0));
    assert_non_null(take_turn(w, 0));
    assert_non_null(take_turn(w, 0));
    assert_null(take_turn(w, 0));
    assert_int_equal(last->place, HOOK_IN_WAIT_QUEUE);
    end_attempt(w, any_in_flight(w), ENDS_UNREACHABLE);
    assert_int_equal(last->place, HOOK_IN_RING);
    assert_non_null(take_turn(w, 0));
    for (struct slot *s = any_in_flight(w); s != NULL; s = any_in_flight(w))
        end_attempt(w, s, ENDS_WELL);
    world_free(w);
}

static void does_not_return(void (*act)(struct world *w))
{
    int status = 0;
    pid_t pid;

    fflush(NULL);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct world *w = world_new(1);

        (void)!freopen("/dev/null", "w", stderr);
        for (size_t i = 0; i < N_HOOKS; i++)
            add_hook(w, i, false);
        act(w);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void send_what_waits(struct world *w)
{
    in_flight_take(&w->d, arrive(w, 0)); // not taken from its queue
}

static void free_what_waits(struct world *w)
{
    delivery_remove(&w->d, arrive(w, 0));
}

static void stand_twice(struct world *w)
{
    arrive(w, 0);
    hook_enter(&w->hook_state[0], HOOK_IN_WAIT_QUEUE);
}

static void illegal_moves_end_the_process(void **state)
{
    (void)state;
    does_not_return(send_what_waits);
    does_not_return(free_what_waits);
    does_not_return(stand_twice);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(books_balance_after_any_steps),
        cmocka_unit_test(hooks_have_their_turns_in_a_ring),
        cmocka_unit_test(an_ordered_hook_sends_one_after_the_other),
        cmocka_unit_test(who_did_not_answer_waits_for_a_share),
        cmocka_unit_test(illegal_moves_end_the_process),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
