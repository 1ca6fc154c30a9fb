// SPDX-License-Identifier: MIT
// schedule.h — the inside of a dispatcher, shared by its files.
//
// A delivery in memory waits in its hook's queue, is sent, or is settled (its row
// stays in the index until the next commit). A delivery without a row is covered by
// the cursor: it gets a row when the cursor passes its event, unless it is settled
// before that. All other deliveries are in the due index only, and are loaded when
// their hook has room. A delivery that was settled and is sent again by hand has a
// prior_state instead of a row.

#ifndef ENGINE_DISPATCHER_SCHEDULE_SCHEDULE_H
#define ENGINE_DISPATCHER_SCHEDULE_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "common/base/buf.h"
#include "common/config/caps.h"
#include "common/config/config.h"
#include "common/messages/send_order.h"
#include "common/process/cautious_clock.h"
#include "common/process/channel.h"
#include "common/process/deadline.h"
#include "common/process/role.h"
#include "engine/delivery/failing.h"
#include "engine/delivery/match.h"
#include "engine/delivery/request_body.h"
#include "engine/delivery/request_headers.h"
#include "engine/delivery/throttle.h"
#include "engine/dispatcher/schedule/due_clock.h"
#include "queue/queue.h"

// Deliveries that came from the log and wait in memory, all hooks together. At this
// number, the reader moves what waits for slow hooks into the index, and pauses while
// all wait for fast hooks.
#define WAITING_MAX   512
#define SLOW_AFTER_US 20000 // a head that waits longer makes its hook slow
#define LOAD_ROWS     128   // due rows read at once for a hook
#define ORDERED_MAX   1024  // deliveries of an ordered hook in memory
#define BATCH_EVENTS  128   // read from the log at once
#define NO_SLOT       UINT32_MAX

// Where a delivery in memory is. Only delivery_enter() changes it.
enum delivery_place {
    DELIVERY_IN_HAND, // made, taken from its queue, or its attempt has ended
    DELIVERY_WAITING, // in its hook's queue
    DELIVERY_SENT,    // its attempt is in flight, in a struct slot
    DELIVERY_SETTLED, // until the change of its rows is committed
    DELIVERY_FREED
};

// Where a hook is, as far as its turns go. Only hook_enter() changes it.
enum hook_place {
    HOOK_RESTS, // a timer, the end of an attempt or a new delivery makes it ready
    HOOK_IN_RING,       // in the ring of its sender
    HOOK_IN_WAIT_QUEUE, // until other hooks free capacity
    HOOK_LEFT // it has left the table, and is freed when its timers are closed
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

struct reply;
struct aside;
struct query;
struct dead_report;
struct discards;
struct endpoint;
struct fan;
struct hook_state;
struct job;
struct manual;
struct running;
struct slices;
struct tally;

// Hooks that wait for capacity that other hooks use.
struct wait_queue {
    struct hook_state *first, *last;
};

struct delivery {
    struct hook_state *hook;
    struct position position;
    struct delivery *next; // in its hook's queue or in a list of settled ones
    struct delivery *prev; // in its hook's queue
    struct delivery *same_hash; // in the table of deliveries
    struct delivery *unpersisted_prev, *unpersisted_next; // while it has no row
    struct delivery *from_log_prev,
        *from_log_next;       // while it waits and came from the log
    int64_t waiting_since_us; // monotonic
    int64_t
        due_at_ms;    // key of its row, which it has or gets: at first when its
                      // event was accepted
    int64_t queue_us; // acceptance to its first attempt
    int64_t not_before_ms; // if ordered: earliest time of the next attempt
    uint64_t ordering_key;
    uint32_t n_attempts;
    uint32_t n_crashes;
    uint32_t payload_bytes;
    uint32_t n_before;  // of n_attempts: those before it was replayed
    uint64_t replay;    // tag of the replay that sends it; 0: none
    uint64_t replay_no; // its number in the replay's source, while in flight
    bool is_replaying;  // in flight, sent by the replay
    enum delivery_place place;
    enum prior_state prior_state;
    struct manual *manual; // queries that wait for this attempt; NULL: none
    bool has_row;
    bool is_from_log; // came from the log, not from the index
    bool is_listed;   // in its hook's queue: while it waits, and if the hook is
                      // ordered also while it is sent
    bool has_body;    // its event's payload is already the body: a ping, resent
    bool is_aside;    // a process died with it too often: no attempt is made
};

// A hook of this shard, and what runs for it.
struct hook_state {
    struct dispatcher *dispatcher;
    uint64_t no;
    struct hook *hook;      // owned; NULL: deleted, what is left is cancelled
    unsigned sender;        // the sender in whose ring it is, or was last
    unsigned wanted_sender; // by its URL; becomes `sender` when it gets ready
    struct endpoint *endpoint; // by its URL; NULL: the hook is deleted
    struct throttle throttle;
    struct throttle_limits limits;
    int64_t *retry_waits_ms; // its own schedule; NULL: that of the settings
    size_t n_retry_waits;
    struct hook_health health;
    struct hook_state *next_unsaid;    // in the list d->health_unsaid
    struct hook_state *next_late;      // in the list d->alarms_late
    struct dead_report *dead_report;   // owned by dead_report.c; NULL: none
    enum hook_disabled disable_wanted; // api is asked to switch it off
    unsigned n_open_timers;
    uint64_t disable_from;         // api is asked after this commit
    struct deadline rows_due;      // its first row in the index is due
    struct deadline pause_over;    // its throttle, or its order, lets one go
    struct delivery *first, *last; // its queue
    struct hook_state *next_ready; // in its sender's ring, or a wait queue
    struct wait_queue *room; // where it waits, if HOOK_IN_WAIT_QUEUE; else NULL
    uint32_t n_sent;
    uint32_t n_open; // deliveries in memory
    enum hook_place place;
    bool is_responsive; // it answered the last time
    bool is_blocked;    // nothing in its queue may go yet
    bool has_rows;      // the index holds rows that are not in memory
    bool has_due_rows;  // some of these rows are due
    bool is_aside; // a process died with it, or it is damaged: it sends nothing
    bool are_rows_left;      // a process died with its rows: they are not read
    bool is_health_unsaid;   // changed, and not added to d->open_batch yet
    bool is_alarm_late;      // it is in the list d->alarms_late
    bool is_counted_failing; // in d->n_failing
    bool is_told;            // api knows `told`
    struct due_row
        last_loaded; // last row read, after commit `last_loaded_after`
    uint64_t last_loaded_after;   // 0: none was read
    uint64_t rows_until;          // ordered: commit that puts rows of this hook
    uint64_t spilled_until;       // rows are not read before this commit
    struct org_sum *org;          // of its organization; NULL: not known
    struct backlog backlog, told; // what waits for it; what api was sent of it
    struct hook_state *next_hash;
};

// A slot holds an attempt in flight, with what its history row will need.
struct slot {
    struct delivery *delivery; // NULL: free
    uint32_t generation;       // tells late outcomes of an earlier use apart
    uint32_t next_free;
    unsigned sender;
    struct endpoint *endpoint;
    int64_t sent_at_us;   // monotonic
    bool is_slow;         // in flight for long: counted apart
    bool is_unresponsive; // its hook had not answered the attempt before
    int64_t accepted_at_us;
    uint64_t org_id; // of the hook's organization
    struct id event_id;
    struct buf kind, url, headers;
    struct request_marks marks; // in the headers
    struct buf body;            // if it is not the event's payload; else empty
};

struct sender_link {
    struct dispatcher *dispatcher;
    unsigned index;
    struct channel *chan;        // NULL: not there
    uint32_t n_sent;             // attempts in flight, without slow ones
    uint32_t n_slow;             // in flight for longer than a second
    uint32_t n_unresponsive;     // of n_sent
    struct wait_queue untrusted; // hooks that wait for that share
    bool awaits_end; // the link is closed; its attempts wait until it is known
                     // how the sender ended
    struct hook_state *ring_first, *ring_last; // hooks with something to send
};

// Rows that a change puts: when it is committed, hook `hook_id` looks for them.
struct wake {
    uint64_t hook_id;
    int64_t due_at_ms;
};

struct wakes {
    struct wake *at;
    size_t n, room;
};

struct dispatcher {
    // turn.c
    void (*on_turn)(struct dispatcher *d);
    uv_idle_t awake; // active while something is marked
    uv_check_t check;

    struct role *role;
    const struct config *config; // borrowed from the role
    struct shard *shard;
    struct due_clock due_clock;
    struct cautious_clock removal_clock; // tells retention what may be removed
    struct event_view *events;
    struct hook_store *hooks;
    unsigned n_shards;
    unsigned n_senders;
    unsigned marked; // turn.c: enum turn_work

    // hook_table.c
    struct match_index *index;
    struct hook_state **by_no; // hash table
    size_t n_by_no_mask;
    size_t n_hooks;
    size_t n_paused;
    uint64_t hooks_seen;         // revision of the store that was read last
    struct endpoint **endpoints; // hash table
    size_t n_endpoints_mask;
    size_t n_endpoints;

    // log_reader.c
    struct position read_to;
    struct fan *fan; // fan.h
    uv_timer_t poll_timer;

    // in_flight.c, hook_queue.c, dispatch.c
    struct sender_link senders[16];
    struct slot *slots;
    size_t n_slots;
    uint32_t free_slot; // NO_SLOT: none
    uint32_t n_sent;
    uint32_t n_on_demand; // attempts asked for by hand and not answered yet
    struct delivery *from_log_first, *from_log_last; // by waiting_since_us
    uint32_t n_from_log;                             // waiting, from the log
    uint32_t n_loaded;                               // waiting, from the index
    struct buf headers;                              // scratch
    uv_timer_t slow_timer;
    struct deadline cancel_due;   // set while hooks have deliveries to cancel
    struct wait_queue cancelling; // hooks that wait to have a slice cancelled
    struct ordering_key_seen *ordering_keys_seen; // scratch of hook_queue.c
    uint64_t n_looks;                             // scans of hook_queue.c
    struct renderer *renderer;

    struct aside *aside; // aside.c

    // api_link.c, requesters.c
    struct shard_view *history;
    struct channel *api; // NULL: not there
    uint64_t n_apis;     // links to api so far: tells late answers apart
    struct manual *open_answers, *committing_answers; // sent when committed

    // replay_progress.c, replays.c, replay_jobs.c
    struct running *replays, *replays_last; // in the order of their turns
    struct running **replays_by_tag;        // hash table
    size_t n_replays_mask, n_replays;
    struct running *replays_dirty, *replays_dirty_last; // records to be written
    uint64_t n_replays_dirtied, n_replays_said; // ever marked, ever written
    struct shares replay_shares;
    struct job *jobs; // queries about replays, in the order of their turns
    uint32_t n_replaying;
    double replay_tokens;
    int64_t replay_tokens_at_us;
    uv_timer_t replay_timer;

    // discard.c
    struct discards *discards;
    // Called when a hook is deleted. NULL: nobody needs to know yet.
    void (*on_hook_deleted)(struct dispatcher *d, uint64_t hook_id);
    struct slices *slices; // slices.c

    struct backlogs *backlogs; // backlog.c
    // Called when a hook is about to leave the table. NULL: none may leave yet.
    void (*on_hook_forgotten)(struct dispatcher *d, struct hook_state *f);

    // attempt_stats.c
    struct tally **tallies; // hash table
    size_t n_tallies;
    int64_t tallied_us;

    // hook_health.c
    struct hook_state *health_unsaid; // hooks whose health is to be written
    struct hook_state *alarms_late;   // hooks with an alarm that waits
    uint64_t *disables;               // hooks to be switched off after a commit
    size_t n_disables, disables_room, n_failing; // n_failing: hooks that fail

    // engine_events.c
    struct channel *ingest; // NULL: not there
    size_t n_disabling; // hook_health.c: hooks that api is asked to switch off
    size_t n_outbox; // events that were sent to ingest and are not stored yet

    // delivery_table.c: deliveries in memory
    struct delivery **open;
    size_t n_open_mask;
    size_t n_open;
    struct delivery *free_deliveries;
    struct delivery *unpersisted; // list of those without a row

    // commit.c
    struct shard_batch *open_batch, *committing_batch;
    struct wakes open_wakes, committing_wakes;
    struct delivery *open_settled, *committing_settled; // leave once committed
    uint64_t n_commits;
    int64_t commit_started_us;
    enum err commit_err; // of the commit that has ended
    bool is_committing;
    bool is_reading;    // log_reader.c: there is more to read
    bool has_cancelled; // dispatch.c: cancelled a slice since the last tick
    struct deadline commit_due;
    struct position cursor_said; // in the last change that was filled
    uint64_t jitter_state;       // of a small generator, seeded by the kernel

    bool
        has_subscribers; // engine_events.c: a hook names kinds of the engine's own
    bool has_operator; // engine_events.c: a hook of the operator is there
    bool has_outbox;   // the shard may have more engine events to send
    bool is_reader_paused;
    bool is_commit_failing;
    bool was_without_room; // at the last check of storage
    bool is_draining;
    bool is_final_commit;
    bool is_late; // the drain took longer than it may
    uv_timer_t drain_timer;
    uv_timer_t trim_timer;
};

#endif
