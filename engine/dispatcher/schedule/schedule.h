// SPDX-License-Identifier: MIT
// schedule.h — what waits in a dispatcher, and what may be sent next: the structs.
//
// This room is pure. It takes events and the time, and returns effects (step.h). It
// reads no clock, no store and no socket, and draws no random numbers, so that a
// simulation can drive it.
//
// A delivery in memory waits in its hook's queue, is sent, or is settled (its row
// stays in the index until the next commit). A delivery without a row is covered by
// the cursor: it gets a row when the cursor passes its event, unless it is settled
// before that. All other deliveries are in the due index only, and are loaded when
// their hook has room. A delivery that was settled and is sent again by hand has a
// prior_state instead of a row.
//
// The structs are closed: the dispatcher's other rooms report events (step.h) and ask the
// functions below. What these rooms note of a hook, a delivery or an attempt is theirs.

#ifndef ENGINE_DISPATCHER_SCHEDULE_SCHEDULE_H
#define ENGINE_DISPATCHER_SCHEDULE_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/hash_map.h"
#include "common/base/list.h"
#include "common/model/delivery.h"
#include "common/model/event.h"
#include "common/model/hook.h"
#include "engine/delivery/throttle.h"

#define SENDERS_MAX 16
#define ORDERED_MAX 1024 // the most that max_ordered may be
#define NO_SLOT     UINT32_MAX

// Where a delivery in memory is. Only delivery_enter() changes it.
enum delivery_place {
    DELIVERY_IN_HAND, // made, taken from its queue, or its attempt has ended
    DELIVERY_WAITING, // in its hook's queue
    DELIVERY_SENT,    // its attempt is in flight
    DELIVERY_SETTLED, // until the change of its rows is committed
    DELIVERY_FREED
};

// Where a hook is, as far as its turns go. Only hook_enter() changes it.
enum hook_place {
    HOOK_RESTS, // a timer, the end of an attempt or a new delivery makes it ready
    HOOK_IN_RING,       // in the ring of its sender
    HOOK_IN_WAIT_QUEUE, // until other hooks free capacity
    HOOK_LEFT           // it has left the table
};

// The state of a delivery before somebody asked for one more attempt.
enum prior_state {
    PRIOR_NONE, // it was not settled: the attempt is its next one
    PRIOR_PING, // a ping: it had no state before
    PRIOR_DELIVERED,
    PRIOR_DEAD, // it is in the dead index
    PRIOR_CANCELLED,
    PRIOR_EXPIRED, // it was dead, and retention has removed it since
    PRIOR_NEVER    // the hook did not get its event when it was new
};

struct attempt_notes;
struct endpoint;
struct hook_notes;
struct hook_state;
struct placement;
struct requester;
struct ordering_key_seen;

// What the other rooms note of a delivery. The core keeps what a row of the index has.
struct delivery_notes {
    bool is_replaying; // in flight, sent by the replay
    bool has_body; // its event's payload is already the body: a ping, resent
    bool is_aside; // a process died with it too often: no attempt is made
    enum prior_state prior_state;
    uint32_t n_attempts;
    uint32_t n_crashes; // senders that died with it
    uint32_t payload_bytes;
    uint32_t n_before;  // of n_attempts: those before it was replayed
    int64_t queue_us;   // acceptance to its first attempt
    uint64_t replay;    // tag of the replay that sends it; 0: none
    uint64_t replay_no; // its number in the replay's source, while in flight
    struct requester
        *requesters; // queries that wait for this attempt; NULL: none
};

// Closed to other rooms.
struct delivery {
    struct hook_state *hook;
    struct position position;
    struct delivery *next; // in its hook's queue or in a list of settled ones
    struct delivery *prev; // in its hook's queue
    struct hash_node node; // in the table of deliveries
    struct list_node unpersisted; // while it has no row
    struct list_node from_log;    // while it waits and came from the log
    int64_t waiting_since_us;     // monotonic
    int64_t not_before_ms; // if ordered: earliest time of the next attempt
    uint64_t ordering_key;
    uint32_t n_deaths; // dispatchers that died with it; set when it is made
    enum delivery_place place;
    bool has_row;
    bool is_from_log; // came from the log, not from the index
    bool is_listed;   // in its hook's queue: while it waits, and if the hook is
                      // ordered also while it is sent
    // Its attempt was begun out of its hook's turn, so deliveries before it may be
    // anywhere. If its hook is ordered, and it is not settled by the attempt, it goes
    // into the index, and so does all that waits for the hook.
    bool is_out_of_order;
    int64_t
        due_at_ms; // key of its row, which it has or gets: at first when its
                   // event was accepted
    struct delivery_notes notes;
};

// A time at which something happens to a hook; in the heap while it is set.
// Closed to other rooms.
struct hook_alarm {
    struct hook_state *hook;
    int64_t at_us; // monotonic
    size_t i;      // index in the heap, from 1; 0: not set
};

// A hook of this shard, and what waits and runs for it.
// Closed to other rooms.
struct hook_state {
    uint64_t no;
    struct hook *hook;         // NULL: deleted, what is left is cancelled
    unsigned sender;           // the sender in whose ring it is, or was last
    struct endpoint *endpoint; // by its URL; NULL: the hook is deleted
    const struct placement *placement; // its endpoint's
    struct throttle throttle;
    struct throttle_limits limits;
    struct hook_alarm rows_due;    // its first row in the index is due
    struct hook_alarm pause_over;  // its throttle, or its order, lets one go
    struct delivery *first, *last; // its queue
    struct list_node turn;         // in its sender's ring, or a wait queue
    struct list *room; // where it waits, if HOOK_IN_WAIT_QUEUE; else NULL
    uint32_t n_sent;
    uint32_t n_open; // deliveries in memory
    enum hook_place place;
    bool is_responsive; // it answered the last time
    bool is_blocked;    // nothing in its queue may go yet
    bool has_rows;      // the index holds rows that are not in memory
    bool has_due_rows;  // some of these rows are due
    bool is_loading;    // an effect asked for its rows, which are not read yet
    bool is_held;       // it is about to be switched off: nothing is sent
    bool is_aside; // a process died with it, or it is damaged: it sends nothing
    bool are_rows_left;     // a process died with its rows: they are not read
    bool may_cancel_loaded; // it is inactive: what was just loaded is cancelled
                            // at its next turn, whatever the time
    int64_t first_due_ms; // of its rows that are not in memory and not due yet
    // Of its due rows that are not in memory: none was due before.
    int64_t rows_due_since_ms;
    uint64_t rows_until;      // ordered: commit that puts rows of this hook
    uint64_t spilled_until;   // rows are not read before this commit
    struct hash_node node;    // in the table of hooks
    struct hook_notes *notes; // of the other rooms; owned by them
};

// An attempt in flight.
// Closed to other rooms.
struct in_flight {
    struct delivery *delivery; // NULL: free
    uint32_t generation;       // tells late outcomes of an earlier use apart
    uint32_t next_free;
    unsigned sender;
    struct endpoint *endpoint;
    int64_t sent_at_us;          // monotonic
    bool is_slow;                // in flight for long: counted apart
    bool is_unresponsive;        // its hook had not answered the attempt before
    bool is_probe;               // of its hook's open breaker
    struct attempt_notes *notes; // of the other rooms; owned by them
};

// Closed to other rooms.
struct sender {
    bool is_up;
    uint32_t n_sent;          // attempts in flight, without slow ones
    uint32_t n_slow;          // in flight for longer than a second
    uint32_t n_unresponsive;  // of n_sent
    uint32_t n_endpoints;     // that go through it
    uint64_t work;            // attempts in a look (placement.h)
    struct list unresponsive; // hooks that wait for that share
    // Hooks that have the share of one hook, and wait until no other hook is ready.
    struct list over_share;
    struct list ring; // hooks with something to send
};

// Why nothing is sent: a delivery that dispatchers died with is tried alone.
// Closed to other rooms.
struct alone {
    bool is_closed;   // nothing is sent: a suspect is tried alone, or will be
    bool is_alone;    // the suspect is in flight
    uint64_t hook_id; // whose turn it is next; 0: a reader or replay will ask
    int64_t until_us; // monotonic; if hook_id is 0: how long it may take to ask
};

struct schedule_limits {
    unsigned n_senders;                 // 1 to SENDERS_MAX
    unsigned first_sender;              // the first endpoint's
    uint32_t max_inflight;              // attempts at once, of each sender
    uint32_t max_inflight_slow;         // those in flight for long, in addition
    uint32_t max_inflight_per_endpoint; // of each receiver
    uint32_t max_on_demand;             // attempts that people asked for
    uint32_t max_ordered; // deliveries of an ordered hook in memory
    // Attempts in a quarter of a second: below, an endpoint is not busy, and uneven
    // senders are not made even.
    uint32_t busy_attempts;
    uint64_t hash_seed; // secret: receivers' names must not be made to collide
};

// Closed to other rooms.
struct schedule {
    struct schedule_limits limits;
    int64_t now_us;     // monotonic, of the last event
    int64_t now_ms;     // of the clock of due times, of the last event
    uint64_t n_commits; // the number of the commit that is filled now

    // hook_table.c
    struct hash_map hooks; // by id

    // alarms.c: a heap, from index 1
    struct hook_alarm **alarms;
    size_t n_alarms, alarms_room;

    // endpoint.c
    struct hash_map endpoints; // by name
    unsigned n_uneven_looks;   // for how long senders have had uneven work

    // in_flight.c
    struct sender senders[SENDERS_MAX];
    struct in_flight *slots;
    size_t n_slots;
    uint32_t free_slot; // NO_SLOT: none
    uint32_t n_sent;    // attempts in flight
    int64_t look_for_slow_at_us;

    // hook_queue.c
    struct list from_log;                         // by waiting_since_us
    uint32_t n_from_log;                          // waiting, from the log
    uint32_t n_loaded;                            // waiting, from the index
    struct ordering_key_seen *ordering_keys_seen; // scratch
    uint64_t n_looks;                             // scans so far

    // turns.c
    unsigned n_turns;           // steps in which deliveries were chosen
    struct list cancelling;     // hooks that wait to have a slice cancelled
    int64_t cancel_again_at_us; // when the next slice may be cancelled
    struct alone alone;

    // delivery_table.c: deliveries in memory
    struct hash_map open; // by hook and position
    struct delivery *free_deliveries;
    struct list unpersisted; // those without a row
};

void schedule_init(struct schedule *s, const struct schedule_limits *limits);
// Takes new limits. The number of slots and the seed stay.
void schedule_set_limits(struct schedule *s,
                         const struct schedule_limits *limits);
// Frees all that it owns: hooks, endpoints, deliveries, slots. The notes are the
// owner's.
void schedule_free(struct schedule *s);

// Attempts in flight, of one sender without those that take long.
static inline uint32_t schedule_n_sent(const struct schedule *s)
{
    return s->n_sent;
}

static inline uint32_t schedule_n_sent_by(const struct schedule *s,
                                          unsigned sender)
{
    return s->senders[sender].n_sent;
}

// Deliveries that wait in memory, and came from the log or from the index.
static inline uint32_t schedule_n_from_log(const struct schedule *s)
{
    return s->n_from_log;
}

static inline uint32_t schedule_n_loaded(const struct schedule *s)
{
    return s->n_loaded;
}

// The number of the commit that is filled now, as SCHEDULE_COMMITTED reported it.
static inline uint64_t schedule_n_commits(const struct schedule *s)
{
    return s->n_commits;
}

#endif
