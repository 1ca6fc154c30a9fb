// SPDX-License-Identifier: MIT
// dispatcher.h — the inside of a dispatcher, shared by its rooms.
//
// What waits and what may be sent is in the scheduling core (schedule/schedule.h),
// which knows neither the store nor the loop. Here is what the rooms around it share:
// the process, the store, the batches of a commit, and what they note of a hook and of
// an attempt in flight.

#ifndef ENGINE_DISPATCHER_LOOP_DISPATCHER_H
#define ENGINE_DISPATCHER_LOOP_DISPATCHER_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "common/base/buf.h"
#include "common/config/caps.h"
#include "common/config/config.h"
#include "common/messages/send_order.h"
#include "common/model/trace.h"
#include "common/process/cautious_clock.h"
#include "common/process/channel.h"
#include "common/process/deadline.h"
#include "common/process/role.h"
#include "engine/delivery/failing.h"
#include "engine/delivery/match.h"
#include "engine/delivery/request_body.h"
#include "engine/delivery/request_headers.h"
#include "engine/dispatcher/loop/due_clock.h"
#include "engine/dispatcher/schedule/schedule.h"
#include "queue/queue.h"

// Deliveries that came from the log and wait in memory, all hooks together. At this
// number, the reader moves what waits for slow hooks into the index, and pauses while
// all wait for fast hooks.
#define WAITING_MAX   512
#define SLOW_AFTER_US 20000 // a head that waits longer makes its hook slow
#define LOAD_ROWS     128   // due rows read at once for a hook
#define BATCH_EVENTS  128   // read from the log at once

struct aside;
struct attempt_stats;
struct backlogs;
struct census;
struct commit;
struct dead_report;
struct discards;
struct engine_events;
struct fan;
struct handshakes;
struct health;
struct health_rows;
struct hook_cache;
struct listing;
struct log_reader;
struct org_sum;
struct process;
struct query;
struct removal;
struct renderer;
struct signers;
struct replay_jobs;
struct replay_turns;
struct replays;
struct reply;
struct on_demand;
struct requesters;
struct slices;
struct spans;

// Ids of spans, if spans of the attempt are exported (trace.h).
struct span_notes {
    bool is_wanted;
    uint8_t trace_id[TRACE_ID_BYTES];
    uint8_t intake_id[SPAN_ID_BYTES];
    uint8_t queue_id[SPAN_ID_BYTES];
    uint8_t attempt_id[SPAN_ID_BYTES];
};

// What the history will need of an attempt in flight.
struct attempt_notes {
    int64_t accepted_at_us;
    uint64_t org_id; // of the hook's organization
    struct id event_id;
    struct buf kind, url, headers;
    struct request_marks marks; // in the headers
    struct buf body;            // if it is not the event's payload; else empty
    struct span_notes span;
    struct buf trace_state; // if spans are exported
    bool is_erased;         // an order erased the payload since it left
    struct buf
        sealed_for; // the organization, if its event is sealed; else empty
};

// The process, what its modules work with, and the modules. A module's state is a struct
// of its own, which it makes in its init function; struct dispatcher says where it is.
struct dispatcher {
    struct schedule schedule;

    // core.c
    uv_timer_t schedule_timer; // for the core's next tick
    int64_t timer_at_us;       // when it fires; INT64_MAX: it is not started

    // turn.c
    void (*on_turn)(struct dispatcher *d);
    uv_idle_t awake; // active while something is marked
    uv_check_t check;

    struct role *role;
    const struct config *config; // borrowed from the role
    struct shard *shard;
    struct due_clock due_clock;
    struct event_view *events;
    struct hook_store *hooks;
    unsigned n_shards;
    unsigned n_senders;
    unsigned marked; // turn.c: enum turn_work

    // What several modules use.
    struct match_index *index; // hook_cache.c keeps it
    struct renderer *renderer;
    struct signers *signers;
    struct shard_view *history;
    struct payload_keys *payload_keys; // NULL: there are none
    struct position read_to;           // the log is read and matched up to here
    struct shard_batch *open_batch; // the batch that is filled now (commit.c)
    struct buf headers, sealed;     // scratch
    struct attempt_notes *attempt_notes;  // one for each slot of the schedule
    struct channel *senders[SENDERS_MAX]; // NULL: not there
    struct channel *api, *ingest;         // NULL: not there
    uint64_t n_apis; // links to api so far: tells late answers apart
    bool is_draining;
    bool is_final_commit;
    // Called when a hook is deleted. NULL: nobody needs to know yet.
    void (*on_hook_deleted)(struct dispatcher *d, uint64_t hook_id);
    // Called when a hook is about to leave the table. NULL: none may leave yet.
    void (*on_hook_forgotten)(struct dispatcher *d, struct hook_state *f);

    // record/
    struct commit *commit;
    struct attempt_stats *attempt_stats;
    struct backlogs *backlogs;
    struct engine_events *engine_events;
    struct health *health;
    struct health_rows *health_rows;
    struct listing *listing;
    struct replays *replays; // replay_progress.c
    bool was_without_room;   // storage.c: at the last check
    uint64_t jitter_state; // verdict.c: a small generator, seeded by the kernel

    // deliver/
    struct aside *aside;
    struct census *census;
    struct fan *fan;
    struct handshakes *handshakes;
    struct hook_cache *hook_cache;
    struct log_reader *log_reader;
    struct requesters *requesters;
    struct spans *spans;
    struct on_demand *on_demand;

    // requests/
    struct discards *discards;
    struct slices *slices;
    struct replay_jobs *replay_jobs;
    struct replay_turns *replay_turns; // replays.c

    struct removal *removal; // removal/

    struct process *process; // dispatcher.c
};

#endif
