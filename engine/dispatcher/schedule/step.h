// SPDX-License-Identifier: MIT
// step.h — the scheduling core: events and the time in, effects out.
//
//   what happened ─► schedule_step() ─► what is to be done
//
// The order of a dispatcher's turn: it reports what happened; then it reports
// SCHEDULE_TURNS, does what the effects say, and repeats that until there are no more
// effects.

#ifndef ENGINE_DISPATCHER_SCHEDULE_STEP_H
#define ENGINE_DISPATCHER_SCHEDULE_STEP_H

#include "engine/dispatcher/schedule/effects.h"
#include "engine/dispatcher/schedule/schedule.h"

enum schedule_event_kind {
    // Time has passed. What was to happen by now happens.
    SCHEDULE_TICK,
    // Hooks have their turns, until there are `max_effects` (at most EFFECTS_MAX).
    // Without effects, nothing more may be sent at present. To be reported only while
    // attempts may be begun and cancelled.
    SCHEDULE_TURNS,

    // `delivery` was made in hand. It joins its hook's queue.
    SCHEDULE_ARRIVED,
    // `delivery` waits. It leaves its hook's queue, and is in hand.
    SCHEDULE_WITHDRAWN,
    // `delivery` was settled, and that is committed. It is freed.
    SCHEDULE_DURABLE,
    // `delivery` waits, or is in hand. Its attempt begins now, out of its hook's turn;
    // if `is_paced`, the hook's rate and breaker count it. Effect: SEND.
    SCHEDULE_BEGIN,

    // `attempt` has ended, and says something about the receiver: `feedback`, and
    // for how long to send nothing, `wait_us`. `jitter` is uniform over uint32_t.
    // Effect: BREAKER_OPENED, if it did. SCHEDULE_ENDED follows.
    SCHEDULE_FEEDBACK,
    // `attempt` says nothing about the receiver; its hook sends nothing for
    // `wait_us`. SCHEDULE_ENDED follows.
    SCHEDULE_LOST,
    // `attempt` is over. Its delivery is in hand, or waits at the front of its
    // queue if `is_again`.
    SCHEDULE_ENDED,
    // `attempt`, from an effect, is not made: it counts for nothing, and its
    // delivery waits at the front of its queue.
    SCHEDULE_RETURNED,

    // The rows of `hook` that an effect asked for are read; each has arrived.
    // `is_end`: all due rows are read; `has_rows` tells whether others are due
    // later, the first at `due_at_ms`. Else `due_at_ms` is that of the last row read.
    SCHEDULE_ROWS_READ,
    // The index has rows of `hook` that are not in memory, the first due at
    // `due_at_ms`.
    SCHEDULE_ROWS_EXPECTED,
    // A row of `hook` was put that commit `commit` stores: what arrives for an
    // ordered hook before that commit would overtake it.
    SCHEDULE_ROWS_PUT,
    // All that waited for `hook` is withdrawn, and in rows that commit `commit` stores.
    SCHEDULE_SPILLED,
    // The rows of `hook` are left alone: a process died with them too often.
    SCHEDULE_ROWS_LEFT,
    // The batch with this number, `commit`, is filled from now on: all before it
    // are committed, but for the one before it if that is under way.
    SCHEDULE_COMMITTED,

    SCHEDULE_SENDER_UP,   // `sender` takes orders
    SCHEDULE_SENDER_DOWN, // it takes none; its attempts end one by one later

    // `hook` has a new record, `record`, or is deleted (NULL); `limits` are by that
    // record.
    SCHEDULE_HOOK_CHANGED,
    SCHEDULE_HOOK_LIMITS, // `limits` of `hook` are new
    SCHEDULE_HOOK_HELD,   // `is_set`: it is about to be switched off
    SCHEDULE_HOOK_ASIDE,  // `is_set`: it sends nothing until its record changes
};

struct schedule_event {
    enum schedule_event_kind kind;
    struct hook_state *hook;
    struct delivery *delivery;
    struct in_flight *attempt;
    struct hook *record; // owned by the caller, kept while it is the hook's
    const struct throttle_limits *limits;
    enum feedback feedback;
    unsigned sender;
    uint32_t jitter;
    int64_t wait_us;
    int64_t due_at_ms; // of the clock of due times
    uint64_t commit;
    size_t max_effects;
    bool is_paced, is_again, is_end, has_rows, is_set;
};

struct schedule_time {
    int64_t mono_us; // monotonic: never before that of an earlier step
    int64_t due_ms;  // of the clock of due times (loop/due_clock.h)
};

// Applies one event at this time. `out` has what is to be done because of it, in this
// order; it need not be initialized. What its effects point to is valid until they are
// done.
void schedule_step(struct schedule *s, const struct schedule_event *e,
                   const struct schedule_time *now, struct effects *out);

// When the next SCHEDULE_TICK has something to do (monotonic).
int64_t schedule_next_us(const struct schedule *s);

// Whether a new delivery must go into the index instead of the hook's queue: the hook
// is paused, or older deliveries wait in the index or are on their way there. For an
// ordered hook this keeps the order; for any other hook it keeps the turns.
bool schedule_must_persist(const struct schedule *s,
                           const struct hook_state *f);

// The hook of the delivery from the log that has waited longest, if that is for more
// than `us`; else NULL.
struct hook_state *schedule_slow_hook(const struct schedule *s, int64_t now_us,
                                      int64_t us);

// Whether the hook's sender takes orders.
bool schedule_is_linked(const struct schedule *s, const struct hook_state *f);

// Whether a replay may have one more attempt of this hook now, with `n_open` in flight
// already: nothing live waits for the hook, its throttle and its sender have room.
bool schedule_may_replay(struct schedule *s, struct hook_state *f,
                         size_t n_open, int64_t now_us);

#endif
