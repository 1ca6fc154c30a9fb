// SPDX-License-Identifier: MIT
// world.h — a world around the scheduling core: hooks, receivers, senders, an index with
// commits, and clocks, all made of one seed.
//
// The world keeps its own books: a fact for each delivery says what must become of it.
// They are compared with the core's after each step (check.c).

#ifndef TESTS_SIMULATION_WORLD_H
#define TESTS_SIMULATION_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/model/hook.h"
#include "engine/dispatcher/schedule/schedule.h"
#include "engine/dispatcher/schedule/step.h"

#define N_HOOKS         10
#define N_SENDERS       2
#define N_URLS          4 // of three receivers
#define MAX_INFLIGHT    8 // of a sender
#define MAX_SLOW        3
#define MAX_ENDPOINT    5
#define MAX_ON_DEMAND   4
#define FACTS_MAX       4096 // deliveries of an episode
#define OPEN_MAX        160  // deliveries that are not done
#define WAITING_LIMIT   24   // from the log, before slow hooks are spilled
#define ROWS_AT_ONCE    6
#define MAX_ORDERED     12 // deliveries of an ordered hook in memory
#define LOOK_AGAIN_US   INT64_C(60000000) // the longest alarm
#define NEVER           UINT64_MAX
#define BREAKER_WAIT_US 400000

// A delivery, and its row in the index.
struct fact {
    uint64_t hook_id;
    struct delivery *dv; // NULL: not in memory
    bool is_done;        // delivered, dead or cancelled
    bool has_row;
    bool wakes;            // its hook hears of the row when it is committed
    uint64_t visible_from; // commit that stores the row
    int64_t due_at_ms, not_before_ms;
    uint64_t ordering_key;
    uint32_t n_deaths;
    bool was_asked_for; // sent out of order, on demand or by a replay
};

// How many attempts the bucket of these limits holds.
static inline double full_bucket(const struct throttle_limits *l)
{
    if (l->rate_burst > 0)
        return l->rate_burst;
    return l->rate_per_minute >= 60 ? l->rate_per_minute / 60 : 1;
}

struct sim_hook {
    uint64_t id; // 0: none
    struct hook_state *f;
    struct hook records[2]; // the present one, and the one before
    unsigned i_record;
    uint64_t ordered_since; // position; NEVER: it is not ordered
    uint64_t n_ring;        // sends of its sender since it entered the ring
    bool was_in_ring;
    double tokens; // of its rate, by the world's own count
    int64_t tokens_at_us;
    int64_t wait_until_us; // its receiver asked for that, or we did
    int64_t rows_due_ms,
        rows_look_us; // when the first of its rows is due, and when the core must look
    uint64_t wakes_after; // commit whose end it hears of, since it was spilled
    uint64_t n_passed_by; // attempts to its receiver while it waits for that
};

struct world {
    uint64_t seed, random;
    uint64_t n_steps;
    struct schedule schedule;
    struct schedule_time now;
    int64_t ahead_ms; // of the clock of due times, before the monotonic one
    struct sim_hook hooks[N_HOOKS];
    uint64_t next_hook_id;
    struct fact facts[FACTS_MAX]; // by position, from 1
    uint64_t last_position;
    uint64_t first_open; // all facts before it are done and out of memory
    size_t n_open;       // facts that are not done
    struct delivery *settled_open, *settled_committing;
    bool is_committing,
        is_failing;           // a commit is under way; the last one failed
    bool is_dying[N_SENDERS]; // down, and its attempts have not ended yet
    bool has_suspects;        // some deliveries killed dispatchers before
    struct in_flight *alone;  // tried alone
    uint64_t n_sends;         // of the turns
};

// Reports the violation of a rule, with seed and step, and aborts.
#define REQUIRE(w, condition) \
    ((condition) ? (void)0 : world_fail((w), #condition, __FILE__, __LINE__))
_Noreturn void world_fail(const struct world *w, const char *what,
                          const char *file, int line);

void world_init(struct world *w, uint64_t seed);
void world_free(struct world *w);

uint64_t roll(struct world *w, uint64_t n); // a number below `n`
bool one_in(struct world *w, uint64_t n);
void pass(struct world *w, int64_t us); // time passes

// Reports an event to the core, and judges what came of it.
void tell(struct world *w, const struct schedule_event *e, struct effects *out);
void tell_quietly(struct world *w, const struct schedule_event *e);

uint64_t position_of(const struct delivery *dv);
struct fact *fact_of(struct world *w, const struct delivery *dv);
struct sim_hook *sim_of(struct world *w, uint64_t hook_id);

// The number of the commit that will store what is put into the open batch.
uint64_t next_commit(const struct world *w);

// --- act.c: what may happen ---

void act(struct world *w);
// From now on nothing fails: reports and does what is left, until all is done.
void finish_all(struct world *w);

// --- perform.c: what a dispatcher does ---

void perform(struct world *w, const struct effects *out);
void give_turns(struct world *w, size_t max_effects);
bool may_send(const struct world *w);
void begin_commit(struct world *w);
void end_commit(struct world *w, bool is_ok);
void end_attempt(struct world *w, struct in_flight *a, unsigned how);
void cancel(struct world *w, struct delivery *dv);
void spill(struct world *w, struct hook_state *f, bool is_restart);
void put_row(struct world *w, struct delivery *dv, int64_t due_at_ms,
             bool wakes);
struct delivery *open_delivery(struct world *w, struct hook_state *f,
                               uint64_t position);
void settle(struct world *w, struct delivery *dv);
// Frees a deleted hook that is idle, as the dispatcher does after what concerns it.
void forget_if_done(struct world *w, struct hook_state *f);

enum {
    ENDS_WELL,
    ENDS_FAILED,
    ENDS_OVERLOADED,
    ENDS_DEAD,
    ENDS_UNMADE,
    ENDS_LOST
};

// --- check.c: what must always hold ---

struct before {
    enum hook_place places[N_HOOKS];
    bool are_admitted[N_HOOKS]; // by their endpoint
    uint32_t n_unresponsive[N_SENDERS];
    uint32_t n_endpoints[N_SENDERS];
    const struct list_node *first_unresponsive[N_SENDERS];
    bool was_closed; // a suspect was waited for
    // Of the hook of the event:
    double tokens;
    enum breaker breaker;
    int64_t breaker_wait_us;
    bool was_paused;
    const struct delivery *delivery;
};

void check_note(const struct world *w, const struct schedule_event *e,
                struct before *before);
void check_freed(struct world *w, const struct before *before);
void check_send(struct world *w, const struct in_flight *a, bool is_single);
void check_all(struct world *w);

// --- rules.c: what an event must lead to, and what must never be ---

void rules_after(struct world *w, const struct schedule_event *e,
                 const struct before *before, const struct effects *out);
void rules_of_hook(struct world *w, struct hook_state *f);
void rules_of_send(struct world *w, const struct in_flight *a);
void rules_of_replay(struct world *w, const struct hook_state *f);
bool waits_at_endpoint(const struct world *w, const struct hook_state *f);

#endif
