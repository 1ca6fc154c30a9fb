// reader.c — reads the event log from the cursor on and matches.
//
// Happy path: a hint or the poll says there may be more; a batch of events is
// matched; each delivery goes to the end of its hook's queue; the pump sends.
//
// When much waits: what waits for hooks that are slow goes into the index and
// leaves the memory, so that it holds up nobody. If all that waits is for fast
// hooks, the reader pauses until they have caught up: for them the index would
// only be a detour.

#include <inttypes.h>

#include "common/clock.h"
#include "common/codec.h"
#include "common/log.h"
#include "common/metrics.h"
#include "engine/dispatch.h"

#define POLL_MS       100 // a lost hint costs this much
#define PAUSE_LOOK_MS 5
// Less than the pump's, which shall not wait for us.
#define UNCOMMITTED_MAX_BYTES ((size_t)1024 * 1024)

struct batch {
    struct dispatcher *d;
    const struct event *event;
    int64_t n_matched;
};

// Older ones wait in the index, or are on their way there: this one goes behind
// them. The order of an ordered hook hangs on it, the turn of another one does.
static bool must_queue(const struct followed *f)
{
    return f->is_fetchable || followed_is_paused(f) ||
           (followed_is_ordered(f) &&
            (f->n_open >= ORDERED_MAX ||
             f->rows_until > f->dispatcher->n_commits));
}

static void on_match(void *data, uint64_t hook_no, void *runtime)
{
    struct batch *batch = data;
    struct dispatcher *d = batch->d;
    struct followed *f = runtime;
    struct position position = batch->event->position;
    uint32_t n_bytes = (uint32_t)batch->event->payload.n_bytes;
    struct delivery *dv;
    uint64_t lane;

    if (shard_was_matched(d->shard, hook_no, position))
        return;
    batch->n_matched++;
    lane = lane_of(f, batch->event);
    if (must_queue(f)) {
        struct due_row row = { .hook_no = hook_no,
                               .due_at_ms =
                                   followed_is_ordered(f)
                                       ? 0
                                       : batch->event->accepted_at_us / 1000,
                               .position = position,
                               .lane = lane,
                               .payload_bytes = n_bytes };

        settle_put_row(d, &row);
        f->rows_until = d->n_commits + 2; // the change may be the next but one
        return;
    }
    dv = open_add(d, f, position);
    dv->is_fresh = true;
    dv->due_at_ms = batch->event->accepted_at_us / 1000;
    dv->lane = lane;
    dv->payload_bytes = n_bytes;
    pump_enqueue(d, dv);
}

static bool on_event(void *data, const struct event *event)
{
    struct batch *batch = data;
    struct dispatcher *d = batch->d;
    uint64_t position = get_be64(event->position.bytes);

    batch->event = event;
    blame_begin(BLAME_EVENT, 0, position);
    due_saw_ms(d, event->accepted_at_us / 1000);
    match_event(d->index, event, on_match, batch);
    blame_begin(BLAME_EVENT, 0, position + 1); // the next, while it is decoded
    return d->n_fresh < WAITING_MAX &&
           change_bytes(d->filling) < UNCOMMITTED_MAX_BYTES;
}

// What has waited longest waits for the slowest hooks.
static void spill_slow(struct dispatcher *d)
{
    int64_t slow_us = clock_mono_us() - SLOW_AFTER_US;

    while (d->fresh_first != NULL && d->fresh_first->waiting_since_us < slow_us)
        fetch_spill(d->fresh_first->hook);
}

static void pause_reading(struct dispatcher *d)
{
    d->is_reader_paused = true;
    uv_idle_stop(&d->read_more);
    uv_timer_set_repeat(&d->poll_timer, PAUSE_LOOK_MS);
    uv_timer_again(&d->poll_timer);
}

static void resume_reading(struct dispatcher *d)
{
    d->is_reader_paused = false;
    uv_timer_set_repeat(&d->poll_timer, POLL_MS);
    uv_timer_again(&d->poll_timer);
}

static bool must_pause(struct dispatcher *d)
{
    if (d->n_fresh >= WAITING_MAX)
        spill_slow(d);
    return d->n_fresh >= WAITING_MAX ||
           change_bytes(d->filling) >= UNCOMMITTED_MAX_BYTES;
}

static void read_batch(struct dispatcher *d)
{
    struct batch batch = { .d = d };
    struct event_scan scan = { .after = d->read_to, .max = BATCH_EVENTS };
    struct blamed before;
    uint64_t n_read;

    if (!aside_limit_scan(d, &scan)) {
        uv_idle_stop(&d->read_more); // the poll looks again
        return;
    }
    before = blame_begin(BLAME_EVENT, 0, get_be64(scan.after.bytes) + 1);
    if (event_view_scan(d->events, &scan, on_event, &batch) != OK)
        log_fatal("event log cannot be read", "");
    blame_end(before);
    d->read_to = scan.last;
    aside_scanned(d);
    n_read = get_be64(scan.last.bytes) - get_be64(scan.after.bytes);
    if (n_read == 0) {
        uv_idle_stop(&d->read_more); // the end of the log
        return;
    }
    if (scan.n_damaged > 0)
        change_count(d->filling, COUNT_DAMAGED, (int64_t)scan.n_damaged);
    change_count(d->filling, COUNT_MATCHED, batch.n_matched);
    metrics_count(COUNTER_EVENTS_MATCHED, n_read);
    metrics_count(COUNTER_DELIVERIES_MATCHED, (uint64_t)batch.n_matched);
    metrics_gauge(GAUGE_MATCHED_TO, (int64_t)get_be64(d->read_to.bytes));
    settle_touch(d);
    pump_all(d);
}

static void on_read_more(uv_idle_t *idle)
{
    struct dispatcher *d = idle->data;

    if (!storage_has_room(d)) {
        uv_idle_stop(idle); // looked at again with the next poll
    } else if (must_pause(d)) {
        pause_reading(d);
    } else {
        read_batch(d);
    }
}

void reader_wake(struct dispatcher *d)
{
    if (d->is_draining)
        return;
    if (d->is_reader_paused) {
        if (must_pause(d))
            return;
        resume_reading(d);
    }
    uv_idle_start(&d->read_more, on_read_more);
}

// Hints may be lost: look at the log, and at the hooks.
static void on_poll(uv_timer_t *timer)
{
    struct dispatcher *d = timer->data;

    if (!d->is_reader_paused)
        followed_refresh(d);
    reader_wake(d);
}

void reader_start(struct dispatcher *d)
{
    uv_loop_t *loop = role_loop(d->role);

    d->read_to = shard_cursor(d->shard);
    uv_idle_init(loop, &d->read_more);
    d->read_more.data = d;
    uv_timer_init(loop, &d->poll_timer);
    d->poll_timer.data = d;
    uv_timer_start(&d->poll_timer, on_poll, POLL_MS, POLL_MS);
    reader_wake(d);
}

void reader_stop(struct dispatcher *d)
{
    uv_idle_stop(&d->read_more);
    uv_timer_stop(&d->poll_timer);
}
