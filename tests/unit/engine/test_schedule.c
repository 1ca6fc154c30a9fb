// SPDX-License-Identifier: MIT
// test_schedule.c — the scheduling core of a dispatcher, one rule at a time. What must
// hold whatever happens is shown by tests/simulation.

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/codec.h"
#include "engine/dispatcher/schedule/delivery_table.h"
#include "engine/dispatcher/schedule/hook_schedule.h"
#include "engine/dispatcher/schedule/hook_table.h"
#include "engine/dispatcher/schedule/schedule.h"
#include "engine/dispatcher/schedule/step.h"
#include "tests/support/unit.h"

#define N_HOOKS 8

struct world {
    struct schedule schedule;
    struct schedule_time now;
    struct hook records[N_HOOKS];
    struct hook_state *hooks[N_HOOKS];
    uint64_t last_event;
    struct effects out; // of the last step
};

static void tell(struct world *w, struct schedule_event e)
{
    w->now.mono_us++;
    schedule_step(&w->schedule, &e, &w->now, &w->out);
}

// Hook i has the sender i % 2; hooks 0 and 4 have one receiver, and so on.
static void change(struct world *w, size_t i)
{
    const struct str urls[] = { STR("https://a.example/"),
                                STR("https://b.example/"),
                                STR("https://c.example/"),
                                STR("https://d.example/") };
    const struct throttle_limits limits = { .max_inflight = 4,
                                            .breaker_failures = 5,
                                            .breaker_wait_us = 1000,
                                            .breaker_wait_max_us = 1000 };

    w->records[i].url = urls[i % 4];
    tell(w, (struct schedule_event){ .kind = SCHEDULE_HOOK_CHANGED,
                                     .hook = w->hooks[i],
                                     .record = &w->records[i],
                                     .limits = &limits });
}

static struct world *world_new(void)
{
    const struct schedule_limits limits = { .n_senders = 2,
                                            .max_inflight = 8,
                                            .max_inflight_slow = 2,
                                            .max_inflight_per_endpoint = 6,
                                            .max_on_demand = 2,
                                            .max_ordered = 16 };
    struct world *w = calloc(1, sizeof(*w));

    assert_non_null(w);
    w->now =
        (struct schedule_time){ .mono_us = 1000000, .due_ms = 1700000000000 };
    schedule_init(&w->schedule, &limits);
    for (unsigned i = 0; i < 2; i++) {
        tell(w, (struct schedule_event){ .kind = SCHEDULE_SENDER_UP,
                                         .sender = i });
    }
    for (size_t i = 0; i < N_HOOKS; i++) {
        w->hooks[i] = hook_add(&w->schedule, i + 1);
        w->hooks[i]->is_responsive = true;
        w->records[i] = (struct hook){ .no = i + 1, .active = true };
        change(w, i);
    }
    return w;
}

static void world_free(struct world *w)
{
    schedule_free(&w->schedule);
    free(w);
}

static struct delivery *arrive(struct world *w, size_t i)
{
    struct position position;
    struct delivery *dv;

    put_be64(position.bytes, ++w->last_event);
    dv = delivery_add(&w->schedule, w->hooks[i], position);
    tell(w,
         (struct schedule_event){ .kind = SCHEDULE_ARRIVED, .delivery = dv });
    return dv;
}

// What one turn brings: the delivery that is sent, or NULL.
static struct in_flight *turn(struct world *w)
{
    tell(w,
         (struct schedule_event){ .kind = SCHEDULE_TURNS, .max_effects = 1 });
    return w->out.n == 1 && w->out.at[0].kind == EFFECT_SEND
               ? w->out.at[0].attempt
               : NULL;
}

static struct hook_state *hook_of(const struct in_flight *a)
{
    return a != NULL ? a->delivery->hook : NULL;
}

// The attempt ends, and its delivery is settled.
static void end(struct world *w, struct in_flight *a, enum feedback feedback)
{
    struct delivery *dv = a->delivery;

    tell(w, (struct schedule_event){ .kind = SCHEDULE_FEEDBACK,
                                     .attempt = a,
                                     .feedback = feedback });
    tell(w, (struct schedule_event){ .kind = SCHEDULE_ENDED, .attempt = a });
    delivery_remove(&w->schedule, dv);
}

// --- rules ---

static void hooks_have_their_turns_in_a_ring(void **state)
{
    struct world *w = world_new();

    (void)state;
    arrive(w, 0);
    arrive(w, 0);
    arrive(w, 2);
    assert_ptr_equal(hook_of(turn(w)), w->hooks[0]);
    assert_ptr_equal(hook_of(turn(w)), w->hooks[2]);
    assert_ptr_equal(hook_of(turn(w)), w->hooks[0]);
    assert_null(turn(w));
    world_free(w);
}

static void an_ordered_hook_sends_one_after_the_other(void **state)
{
    struct world *w = world_new();
    struct in_flight *a;
    struct delivery *first;

    (void)state;
    w->records[0].policy.ordered = true;
    first = arrive(w, 0);
    arrive(w, 0);
    a = turn(w);
    assert_ptr_equal(a->delivery, first);
    assert_null(turn(w)); // the second waits for the end of the first
    tell(w, (struct schedule_event){ .kind = SCHEDULE_LOST, .attempt = a });
    tell(w, (struct schedule_event){
                .kind = SCHEDULE_ENDED, .attempt = a, .is_again = true });
    a = turn(w);
    assert_ptr_equal(a->delivery, first); // which goes first again
    end(w, a, FEEDBACK_ANSWERED);
    assert_non_null(turn(w));
    world_free(w);
}

// Hooks whose receivers do not answer may use half of the capacity, and wait until some
// of it is free, or until they answer.
static void hooks_that_did_not_answer_wait_for_a_share(void **state)
{
    struct world *w = world_new();
    struct in_flight *sent[4];

    (void)state;
    for (size_t i = 0; i < N_HOOKS; i += 2) {
        w->hooks[i]->is_responsive = false;
        arrive(w, i);
        arrive(w, i);
    }
    for (size_t i = 0; i < 4; i++) {
        sent[i] = turn(w);
        assert_non_null(sent[i]);
    }
    assert_null(turn(w));
    for (size_t i = 0; i < N_HOOKS; i += 2)
        assert_int_equal(w->hooks[i]->place, HOOK_IN_WAIT_QUEUE);
    end(w, sent[1], FEEDBACK_UNREACHABLE);
    assert_int_equal(w->schedule.senders[0].n_unresponsive, 3);
    assert_non_null(turn(w));
    assert_null(turn(w));
    end(w, sent[3], FEEDBACK_ANSWERED); // its hook waits for no share any more
    assert_int_equal(w->hooks[6]->place, HOOK_IN_RING);
    world_free(w);
}

// One receiver with one place: a hook that answers keeps it busy, another never answers.
static void
a_hook_that_does_not_answer_gets_its_part_of_a_busy_receiver(void **state)
{
    struct world *w = world_new();
    size_t n_unanswered = 0;

    (void)state;
    w->schedule.limits.max_inflight_per_endpoint = 1;
    w->hooks[4]->is_responsive = false;
    w->hooks[4]->limits.breaker_failures = 0;
    for (size_t i = 0; i < 100; i++) {
        struct in_flight *a;
        bool is_answered;

        arrive(w, 0);
        arrive(w, 4);
        a = turn(w);
        for (size_t k = 0; a == NULL && k < 4; k++)
            a = turn(w);
        assert_non_null(a);
        is_answered = hook_of(a) == w->hooks[0];
        n_unanswered += !is_answered;
        w->now.mono_us += 100000;
        end(w, a, is_answered ? FEEDBACK_ANSWERED : FEEDBACK_UNREACHABLE);
        tell(w, (struct schedule_event){ .kind = SCHEDULE_TICK });
    }
    assert_in_range(n_unanswered, 20, 80);
    world_free(w);
}

static void an_attempt_that_is_not_made_counts_for_nothing(void **state)
{
    struct world *w = world_new();
    struct delivery *first = arrive(w, 0);
    struct in_flight *a;

    (void)state;
    arrive(w, 0);
    w->hooks[0]->limits.rate_per_minute = 60;
    a = turn(w);
    assert_ptr_equal(a->delivery, first);
    tell(w, (struct schedule_event){ .kind = SCHEDULE_RETURNED, .attempt = a });
    assert_int_equal(w->schedule.n_sent, 0);
    a = turn(w);
    assert_non_null(a); // its rate admits it still
    assert_ptr_equal(a->delivery, first);
    assert_null(turn(w));
    world_free(w);
}

static void rows_are_loaded_when_the_queue_is_empty(void **state)
{
    struct world *w = world_new();
    struct hook_state *f = w->hooks[0];

    (void)state;
    tell(w, (struct schedule_event){ .kind = SCHEDULE_ROWS_EXPECTED,
                                     .hook = f,
                                     .due_at_ms = w->now.due_ms + 500 });
    assert_null(turn(w));
    assert_true(schedule_next_us(&w->schedule) <= w->now.mono_us + 500000);
    w->now.mono_us += 500000;
    w->now.due_ms += 500;
    tell(w, (struct schedule_event){ .kind = SCHEDULE_TICK });
    tell(w,
         (struct schedule_event){ .kind = SCHEDULE_TURNS, .max_effects = 1 });
    assert_int_equal(w->out.n, 1);
    assert_int_equal(w->out.at[0].kind, EFFECT_LOAD_ROWS);
    assert_ptr_equal(w->out.at[0].hook, f);
    arrive(w, 0);
    assert_null(turn(w)); // not before all of them are read
    tell(w, (struct schedule_event){
                .kind = SCHEDULE_ROWS_READ, .hook = f, .is_end = true });
    assert_ptr_equal(hook_of(turn(w)), f);
    world_free(w);
}

static int64_t due_since_ms(const struct world *w, size_t i)
{
    return hook_due_since_ms(&w->schedule, w->hooks[i], w->now.mono_us);
}

static void it_is_known_since_when_something_is_due(void **state)
{
    struct world *w = world_new();
    int64_t now_ms = w->now.due_ms;

    (void)state;
    assert_int_equal(due_since_ms(w, 0), INT64_MAX);
    tell(w, (struct schedule_event){ .kind = SCHEDULE_ROWS_EXPECTED,
                                     .hook = w->hooks[0],
                                     .due_at_ms = now_ms + 500 });
    assert_int_equal(due_since_ms(w, 0), INT64_MAX); // not yet
    tell(w, (struct schedule_event){ .kind = SCHEDULE_ROWS_EXPECTED,
                                     .hook = w->hooks[0],
                                     .due_at_ms = now_ms - 500 });
    assert_int_equal(due_since_ms(w, 0), now_ms - 500);
    // What is in memory is older than the rows that are not.
    arrive(w, 0)->due_at_ms = now_ms - 700;
    assert_int_equal(due_since_ms(w, 0), now_ms - 700);
    assert_non_null(turn(w));
    tell(w, (struct schedule_event){ .kind = SCHEDULE_ROWS_READ,
                                     .hook = w->hooks[0],
                                     .due_at_ms = now_ms - 300 });
    assert_int_equal(due_since_ms(w, 0), now_ms - 300);
    // The breaker, or what the receiver asks for, holds it back.
    w->hooks[0]->throttle.wait_until_us = w->now.mono_us + 1000;
    assert_int_equal(due_since_ms(w, 0), INT64_MAX);
    // Of an ordered hook, what waits for no other delivery, since it was read.
    w->records[1].policy.ordered = true;
    change(w, 1);
    arrive(w, 1);
    w->now.mono_us += 2000000;
    w->schedule.now_ms += 2000;
    assert_in_range(w->schedule.now_ms - due_since_ms(w, 1), 1999, 2001);
    w->hooks[1]->first->not_before_ms = w->schedule.now_ms + 1;
    assert_int_equal(due_since_ms(w, 1), INT64_MAX);
    world_free(w);
}

static void count_visit(void *data, const struct hook_state *f)
{
    unsigned *n_visits = data;

    n_visits[f->no]++;
}

static void a_walk_visits_each_hook_once(void **state)
{
    struct world *w = world_new();
    unsigned n_visits[N_HOOKS + 1] = { 0 };
    struct hook_walk walk = { 0 };
    unsigned n_pieces = 1;

    (void)state;
    while (hook_walk(&w->schedule, &walk, 5, count_visit, n_visits) ==
           WALK_GOES_ON)
        n_pieces++;
    assert_in_range(n_pieces, 2, 20);
    for (size_t no = 1; no <= N_HOOKS; no++)
        assert_int_equal(n_visits[no], 1);
    assert_int_equal(hook_walk(&w->schedule, &walk, 1, count_visit, n_visits),
                     WALK_GOES_ON);
    for (uint64_t no = 100; no < 200; no++)
        hook_add(&w->schedule, no); // the table grows
    assert_int_equal(hook_walk(&w->schedule, &walk, 1, count_visit, n_visits),
                     WALK_IN_VAIN);
    world_free(w);
}

static void a_suspect_is_sent_alone(void **state)
{
    struct world *w = world_new();
    struct in_flight *other, *suspect;

    (void)state;
    arrive(w, 0);
    other = turn(w);
    assert_non_null(other);
    arrive(w, 2)->n_deaths = 2;
    arrive(w, 4);
    assert_null(turn(w));
    assert_null(turn(w));
    end(w, other, FEEDBACK_ANSWERED);
    suspect = turn(w);
    assert_ptr_equal(hook_of(suspect), w->hooks[2]);
    assert_true(w->out.at[0].is_alone);
    assert_null(turn(w));
    end(w, suspect, FEEDBACK_ANSWERED);
    assert_ptr_equal(hook_of(turn(w)), w->hooks[4]);
    world_free(w);
}

static void what_waits_for_a_deleted_hook_is_cancelled(void **state)
{
    struct world *w = world_new();
    struct delivery *dv = arrive(w, 0);

    (void)state;
    tell(w, (struct schedule_event){ .kind = SCHEDULE_HOOK_CHANGED,
                                     .hook = w->hooks[0] });
    tell(w, (struct schedule_event){ .kind = SCHEDULE_TURNS,
                                     .max_effects = EFFECTS_MAX });
    assert_int_equal(w->out.n, 1);
    assert_int_equal(w->out.at[0].kind, EFFECT_CANCEL);
    assert_int_equal(w->out.at[0].reason, CANCEL_DELETED);
    assert_ptr_equal(w->out.at[0].delivery, dv);
    assert_false(hook_is_idle(w->hooks[0]));
    delivery_remove(&w->schedule, dv);
    assert_true(hook_is_idle(w->hooks[0]));
    hook_remove(&w->schedule, w->hooks[0]);
    assert_null(hook_find(&w->schedule, 1));
    world_free(w);
}

// --- illegal moves ---

static void does_not_return(void (*act)(struct world *w))
{
    int status = 0;
    pid_t pid;

    fflush(NULL);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct world *w = world_new();

        (void)!freopen("/dev/null", "w", stderr);
        act(w);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void free_what_waits(struct world *w)
{
    delivery_remove(&w->schedule, arrive(w, 0));
}

static void settle_what_waits(struct world *w)
{
    delivery_enter(arrive(w, 0), DELIVERY_SETTLED);
}

static void stand_twice(struct world *w)
{
    arrive(w, 0);
    hook_enter(w->hooks[0], HOOK_IN_WAIT_QUEUE);
}

static void illegal_moves_end_the_process(void **state)
{
    (void)state;
    does_not_return(free_what_waits);
    does_not_return(settle_what_waits);
    does_not_return(stand_twice);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hooks_have_their_turns_in_a_ring),
        cmocka_unit_test(an_ordered_hook_sends_one_after_the_other),
        cmocka_unit_test(hooks_that_did_not_answer_wait_for_a_share),
        cmocka_unit_test(
            a_hook_that_does_not_answer_gets_its_part_of_a_busy_receiver),
        cmocka_unit_test(an_attempt_that_is_not_made_counts_for_nothing),
        cmocka_unit_test(rows_are_loaded_when_the_queue_is_empty),
        cmocka_unit_test(it_is_known_since_when_something_is_due),
        cmocka_unit_test(a_walk_visits_each_hook_once),
        cmocka_unit_test(a_suspect_is_sent_alone),
        cmocka_unit_test(what_waits_for_a_deleted_hook_is_cancelled),
        cmocka_unit_test(illegal_moves_end_the_process),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
