// SPDX-License-Identifier: MIT
// dispatcher.c — the dispatcher process: owns the hooks of one shard.
//
// Happy path: the shard is opened, the hooks and which hooks have rows are read, and
// reading goes on from the cursor; orders go to the senders, outcomes come back.
//
// If a sender dies, its deliveries go back into their queues. Draining: nothing more is
// read or sent; attempts in flight are waited for (drain_timeout at most); the last
// commit stores the state of every delivery; then the process ends.

#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/config/config.h"
#include "common/files/data_dir.h"
#include "common/log/log.h"
#include "common/messages/send_order.h"
#include "common/process/blame.h"
#include "common/process/channel.h"
#include "common/process/metrics.h"
#include "common/process/role.h"
#include "common/process/role_kind.h"
#include "engine/delivery/match.h"
#include "engine/delivery/request_body.h"
#include "engine/delivery/signers.h"
#include "engine/dispatcher/api_link.h"
#include "engine/dispatcher/deliver/aside.h"
#include "engine/dispatcher/deliver/census.h"
#include "engine/dispatcher/deliver/crash.h"
#include "engine/dispatcher/deliver/dispatch.h"
#include "engine/dispatcher/deliver/fan.h"
#include "engine/dispatcher/deliver/handshakes.h"
#include "engine/dispatcher/deliver/hook_cache.h"
#include "engine/dispatcher/deliver/log_reader.h"
#include "engine/dispatcher/deliver/outcome.h"
#include "engine/dispatcher/deliver/requesters.h"
#include "engine/dispatcher/deliver/spans.h"
#include "engine/dispatcher/loop/core.h"
#include "engine/dispatcher/loop/dispatcher.h"
#include "engine/dispatcher/loop/due_clock.h"
#include "engine/dispatcher/loop/turn.h"
#include "engine/dispatcher/record/attempt_stats.h"
#include "engine/dispatcher/record/backlog.h"
#include "engine/dispatcher/record/commit.h"
#include "engine/dispatcher/record/dead_report.h"
#include "engine/dispatcher/record/engine_events.h"
#include "engine/dispatcher/record/health_rows.h"
#include "engine/dispatcher/record/hook_health.h"
#include "engine/dispatcher/record/hooks.h"
#include "engine/dispatcher/record/listing.h"
#include "engine/dispatcher/record/replay_progress.h"
#include "engine/dispatcher/record/storage.h"
#include "engine/dispatcher/removal/removal.h"
#include "engine/dispatcher/requests/discard.h"
#include "engine/dispatcher/requests/discard_sweep.h"
#include "engine/dispatcher/requests/on_demand.h"
#include "engine/dispatcher/requests/replays.h"
#include "engine/dispatcher/requests/slices.h"
#include "engine/dispatcher/schedule/in_flight.h"
#include "engine/dispatcher/schedule/schedule.h"
#include "engine/dispatcher/schedule/step.h"
#include "queue/queue.h"

struct sender_link {
    struct dispatcher *dispatcher;
    unsigned index;
    bool awaits_end; // the link is closed; its attempts wait until it is known
                     // how the sender ended
};

struct process {
    struct sender_link links[SENDERS_MAX];
    uv_timer_t drain_timer;
    bool is_late; // the drain took longer than it may
};

static void on_outcome(void *data, struct str frame)
{
    struct sender_link *link = data;
    struct dispatcher *d = link->dispatcher;
    struct outcome outcome;

    if (outcome_unpack(frame, &outcome) != OK ||
        (!handshakes_apply(d, link->index, &outcome) &&
         !outcome_apply(d, link->index, &outcome))) {
        log_warn("a sender sent an invalid message; its link is closed",
                 "sender=%u bytes=%zu", link->index, frame.n_bytes);
        channel_refuse(d->senders[link->index]);
        return;
    }
    turn_mark(d, TURN_SEND);
}

// Takes back what the sender had in flight. `death` is what is known of its end.
static void end_sender(struct sender_link *link, const struct death *death)
{
    struct dispatcher *d = link->dispatcher;
    struct in_flight *s;
    size_t i = 0;

    link->awaits_end = false;
    while ((s = in_flight_next(&d->schedule, link->index, &i)) != NULL)
        crash_of_sender(d, s, death);
    handshakes_blame(d, death);
    turn_mark(d, TURN_LEAVE);
}

static void lose_sender(struct sender_link *link)
{
    struct dispatcher *d = link->dispatcher;
    const struct schedule_event event = { .kind = SCHEDULE_SENDER_DOWN,
                                          .sender = link->index };

    d->senders[link->index] = NULL;
    link->awaits_end = true;
    handshakes_lose_sender(d, link->index);
    core_note(d, &event);
    log_warn("a sender has ended; its attempts in flight will be made again",
             "sender=%u in_flight=%u", link->index,
             schedule_n_sent_by(&d->schedule, link->index));
}

// The supervisor will report how the sender ended, or, if it still runs, bring a new
// link.
static void on_sender_closed(void *data)
{
    struct sender_link *link = data;

    lose_sender(link);
    role_link_lost(link->dispatcher->role, ROLE_SENDER, link->index);
}

static void on_peer_ended(void *data, enum role_kind kind, unsigned index,
                          const struct death *death)
{
    struct dispatcher *d = data;
    struct sender_link *link;

    if (kind != ROLE_SENDER || index >= d->n_senders)
        return;
    link = &d->process->links[index];
    if (d->senders[index] != NULL) {
        channel_close(d->senders[index]);
        lose_sender(link);
    }
    end_sender(link, death);
}

static void link_sender(struct dispatcher *d, unsigned index, int fd)
{
    const struct death unknown = { .is_own = false };
    const struct schedule_event event = { .kind = SCHEDULE_SENDER_UP,
                                          .sender = index };
    struct sender_link *link = &d->process->links[index];

    if (d->senders[index] != NULL) {
        channel_close(d->senders[index]);
        lose_sender(link);
    }
    if (link->awaits_end)
        end_sender(link, &unknown);
    d->senders[index] = role_open_channel(
        d->role, ROLE_SENDER, fd,
        &(struct channel_handlers){ .on_frame = on_outcome,
                                    .on_closed = on_sender_closed,
                                    .data = link });
    core_note(d, &event);
    turn_mark(d, TURN_SEND);
}

static void on_link(void *data, enum role_kind kind, unsigned index, int fd)
{
    struct dispatcher *d = data;

    if (kind == ROLE_SENDER && index < d->n_senders) {
        link_sender(d, index, fd);
    } else if (kind == ROLE_API) {
        questions_on_link(d, fd);
    } else if (kind == ROLE_INGEST) {
        engine_events_on_link(d, fd);
    } else if (kind == ROLE_EXPORTER) {
        spans_on_link(d, fd);
    } else {
        close(fd);
    }
}

// --- a turn ---

static void commit(struct dispatcher *d)
{
    commit_fill(d);
    replays_add_changed(d);
    health_rows_add(d);
    attempt_stats_flush(
        d, d->is_final_commit); // the last commit has all statistics
    requesters_committing(d);
    commit_start(d);
}

static void commit_if_possible(struct dispatcher *d)
{
    bool is_failing = commit_is_failing(d);

    if (commit_is_under_way(d) || (d->is_final_commit && !is_failing))
        return; // the end of that commit marks the next one, if one follows
    if (is_failing) {
        commit_again(d);
    } else if (fan_is_open(d)) { // no commit with an event matched in part
        commit_schedule(d);
    } else {
        commit(d);
    }
}

static void end_commit(struct dispatcher *d)
{
    enum err err = commit_end(d);

    if (err == OK)
        backlog_on_commit(d);
    requesters_send_answers(d, err);
    if (err == OK) {
        aside_committed(d);
        commit_let_go(d);
    }
    if (err == OK && d->is_final_commit) {
        role_done(d->role);
        return;
    }
    storage_refresh(d);
    on_demand_on_commit(d, err);
    if (err != OK)
        return;
    engine_events_send(d);
    health_on_committed(d);
    turn_mark(d, TURN_SEND);
    turn_mark(d, TURN_READ);
}

static void leave_if_drained(struct dispatcher *d)
{
    if (!d->is_draining || d->is_final_commit || commit_is_busy(d) ||
        (schedule_n_sent(&d->schedule) > 0 && !d->process->is_late))
        return;
    d->is_final_commit = true;
    dead_report_all(d);
    commit(d);
}

// Does all work that callbacks have marked, in an order in which each step may lead to
// a later one.
static void turn(struct dispatcher *d)
{
    if (turn_take(d, TURN_COMMITTED))
        end_commit(d);
    if (turn_take(d, TURN_HOOKS))
        hook_cache_refresh(d);
    if (turn_take(d, TURN_READ))
        reader_read(d);
    if (turn_take(d, TURN_REPLAY))
        replays_go_on(d);
    if (turn_take(d, TURN_SEND)) {
        dispatch_all(d);
        reader_on_sent(d);
    }
    if (turn_take(d, TURN_COMMIT))
        commit_if_possible(d);
    if (turn_take(d, TURN_LEAVE) || d->is_draining)
        leave_if_drained(d);
    core_set_timer(d);
}

// --- ending ---

static void on_drain_timeout(uv_timer_t *timer)
{
    struct dispatcher *d = timer->data;

    if (!d->process->is_late) {
        log_warn("the dispatcher ends with attempts in flight; they will be "
                 "made again",
                 "in_flight=%u", schedule_n_sent(&d->schedule));
    }
    d->process->is_late = true;
    // The senders end after this process: outcomes they report then are not read.
    turn_mark(d, TURN_LEAVE);
}

static void on_drain(void *data)
{
    struct dispatcher *d = data;

    d->is_draining = true;
    reader_stop(d);
    uv_timer_init(role_loop(d->role), &d->process->drain_timer);
    d->process->drain_timer.data = d;
    uv_timer_start(&d->process->drain_timer, on_drain_timeout,
                   (uint64_t)d->config->drain_timeout_ms, 100);
    turn_mark(d, TURN_LEAVE);
}

// --- upkeep ---

static void on_reload(void *data)
{
    struct dispatcher *d = data;

    d->config = role_config(d->role);
    renderer_reload(d->renderer, d->config);
    hook_cache_reload(d);
}

static void on_second(void *data)
{
    struct dispatcher *d = data;
    struct shard_counts counts;
    uint64_t n_bytes;

    queue_upkeep();
    if (!queue_is_in_place()) {
        log_fatal("files of the queue were removed or replaced; nothing is "
                  "sent from them",
                  "");
    }
    queue_trim_memory();
    health_on_second(d);
    handshakes_on_second(d);
    discard_on_second(d);
    attempt_stats_on_second(d);
    listing_on_second(d);
    engine_events_send(d);
    if (shard_counts(d->shard, &counts) == OK) {
        metrics_gauge(GAUGE_DUE, (int64_t)counts.n_due);
        metrics_gauge(GAUGE_DEAD, (int64_t)counts.n_dead);
    }
    backlog_on_second(d);
    census_on_second(d);
    if (shard_usage(d->shard, &n_bytes) == OK)
        metrics_gauge(GAUGE_QUEUE_BYTES, (int64_t)n_bytes);
    removal_on_second(d);
}

// --- starting ---

static void on_due_hook(void *data, uint64_t hook_id, int64_t first_due_at_ms)
{
    const struct schedule_event event = {
        .kind = SCHEDULE_ROWS_EXPECTED,
        .hook = hook_find_or_add(data, hook_id),
        .due_at_ms = first_due_at_ms,
    };

    core_note(data, &event);
}

static void must(enum err err, const char *what)
{
    if (err != OK) {
        log_fatal("the dispatcher cannot start", "what=%s reason=%s",
                  log_quote(str_of(what)), log_quote(str_of(err_str(err))));
    }
}

static void open_queue(struct dispatcher *d)
{
    struct queue_config qc = { .data_dir = d->config->data_dir,
                               .max_bytes = d->config->max_queue_bytes,
                               .n_shards = d->n_shards,
                               .keys = role_keys(d->role),
                               .is_replicated =
                                   config_is_clustered(d->config) };

    qc.payload_keys = role_payload_keys(d->role, qc.keys);
    d->payload_keys = qc.payload_keys;
    data_dir_check(d->config->data_dir);
    must(shard_open(&qc, role_index(d->role), role_loop(d->role), &d->shard),
         "deliveries");
    due_clock_init(&d->due_clock, shard_clock_ms(d->shard),
                   shard_ran_ms(d->shard), clock_now_ms(), clock_mono_us());
    removal_init(d);
    must(shard_view_open(&qc, role_index(d->role), &d->history), "history");
    must(event_view_open(&qc, &d->events), "event log");
    must(hook_store_view(&qc, &d->hooks), "hooks");
    hook_log_names(d->hooks);
}

// Logs the hooks that earlier processes have died with.
static void log_suspects(void)
{
    struct blamed record;
    uint32_t n_deaths;

    for (unsigned i = 0; i < BLAME_MAX; i++) {
        if (blame_at(i, &record, &n_deaths) &&
            (record.kind == BLAME_DELIVERY || record.kind == BLAME_HOOK ||
             record.kind == BLAME_ROWS)) {
            log_warn("the previous dispatcher died while it processed a hook",
                     "%s deaths=%u", hook_log_no(record.a), n_deaths);
        }
    }
}

int dispatcher_role(unsigned index)
{
    struct dispatcher *d = xcalloc(1, sizeof(*d));
    struct role_handlers handlers = { .on_link = on_link,
                                      .on_peer_ended = on_peer_ended,
                                      .on_drain = on_drain,
                                      .on_reload = on_reload,
                                      .on_second = on_second,
                                      .data = d };

    d->process = xcalloc(1, sizeof(*d->process));
    d->role = role_start(ROLE_DISPATCHER, index);
    d->config = role_config(d->role);
    d->n_shards = (unsigned)d->config->dispatchers;
    d->n_senders = (unsigned)d->config->senders;
    for (unsigned i = 0; i < d->n_senders; i++) {
        d->process->links[i] =
            (struct sender_link){ .dispatcher = d, .index = i };
    }
    hook_cache_init(d);
    handshakes_init(d);
    census_init(d);
    spans_init(d);
    engine_events_init(d);
    requesters_init(d);
    on_demand_init(d);
    turn_start(d, turn);
    backlog_init(d);
    open_queue(d);
    log_suspects();
    d->renderer = renderer_new(d->config);
    d->signers = signers_new(d->hooks);
    core_init(d);
    aside_init(d);
    commit_init(d);
    health_load(d);
    hook_cache_refresh(d);
    health_drop_orphans(d);
    discard_init(d);
    slices_init(d);
    attempt_stats_load(d);
    replays_load(d);
    backlog_count(d);
    must(shard_due_hooks(d->shard, on_due_hook, d), "due rows");
    listing_init(d);
    reader_start(d);
    storage_refresh(d);
    role_ready(d->role, &handlers);
    return role_run(d->role);
}
