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
struct backlogs;
struct dead_report;
struct discards;
struct fan;
struct job;
struct org_sum;
struct query;
struct renderer;
struct reply;
struct running;
struct slices;
struct tally;

// What the rooms around the scheduling core note of a hook.
struct hook_notes {
    struct dispatcher *dispatcher;
    int64_t *retry_waits_ms; // its own schedule; NULL: that of the settings
    size_t n_retry_waits;
    struct hook_health health;
    struct hook_state *next_unsaid;    // in the list d->health_unsaid
    struct hook_state *next_late;      // in the list d->alarms_late
    struct dead_report *dead_report;   // owned by dead_report.c; NULL: none
    enum hook_disabled disable_wanted; // api is asked to switch it off
    uint64_t disable_from;             // api is asked after this commit
    bool is_health_unsaid;   // changed, and not added to d->open_batch yet
    bool is_alarm_late;      // it is in the list d->alarms_late
    bool is_counted_failing; // in d->n_failing
    bool is_told;            // api knows `told`
    struct due_row
        last_loaded; // last row read, after commit `last_loaded_after`
    uint64_t last_loaded_after;   // 0: none was read
    struct org_sum *org;          // of its organization; NULL: not known
    struct backlog backlog, told; // what waits for it; what api was sent of it
};

// What the history will need of an attempt in flight.
struct attempt_notes {
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
    struct channel *channel; // NULL: not there
    bool awaits_end; // the link is closed; its attempts wait until it is known
                     // how the sender ended
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
    struct cautious_clock removal_clock; // tells retention what may be removed
    struct event_view *events;
    struct hook_store *hooks;
    unsigned n_shards;
    unsigned n_senders;
    unsigned marked; // turn.c: enum turn_work

    // hook_cache.c
    struct match_index *index;
    size_t n_paused;
    uint64_t hooks_seen; // revision of the store that was read last

    // log_reader.c
    struct position read_to;
    struct fan *fan; // fan.h
    uv_timer_t poll_timer;

    struct sender_link links[SENDERS_MAX]; // dispatcher.c
    struct attempt_notes *attempt_notes;   // one for each slot of the schedule
    uint32_t n_on_demand; // attempts asked for by hand and not answered yet
    struct buf headers;   // scratch
    struct renderer *renderer;

    struct aside *aside; // aside.c

    // api_link.c, requesters.c
    struct shard_view *history;
    struct channel *api; // NULL: not there
    uint64_t n_apis;     // links to api so far: tells late answers apart
    struct requester *open_answers, *committing_answers; // sent when committed

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
    // hooks.c: called when a hook is about to leave the table. NULL: none may leave
    // yet.
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

    // commit.c
    struct shard_batch *open_batch, *committing_batch;
    struct wakes open_wakes, committing_wakes;
    struct delivery *open_settled, *committing_settled; // leave once committed
    int64_t commit_started_us;
    enum err commit_err; // of the commit that has ended
    bool is_committing;
    bool is_reading; // log_reader.c: there is more to read
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
