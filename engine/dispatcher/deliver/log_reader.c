// SPDX-License-Identifier: MIT
// log_reader.c — reads the event log from the cursor on and matches.
//
// Happy path: a hint or the poll says there may be more; a batch of events is
// matched; each delivery goes to the end of its hook's queue; dispatch sends. An event
// that many hooks want is a batch by itself, in slices (fan.h).
//
// When much waits: the reader pauses until the hooks have caught up by half. If they
// have not done so in a while, what waits for slow hooks goes into the index and leaves
// the memory, so that it holds up no other hook; for fast hooks the index would only be
// a detour.

#include "engine/dispatcher/deliver/log_reader.h"

#include "common/base/clock.h"
#include "common/base/codec.h"
#include "common/base/mem.h"
#include "common/log/log.h"
#include "common/model/event.h"
#include "common/process/blame.h"
#include "common/process/metrics.h"
#include "common/process/role.h"
#include "engine/dispatcher/deliver/aside.h"
#include "engine/dispatcher/deliver/dispatch.h"
#include "engine/dispatcher/deliver/due_rows.h"
#include "engine/dispatcher/deliver/fan.h"
#include "engine/dispatcher/loop/dispatcher.h"
#include "engine/dispatcher/loop/due_time.h"
#include "engine/dispatcher/loop/slice.h"
#include "engine/dispatcher/loop/turn.h"
#include "engine/dispatcher/record/commit.h"
#include "engine/dispatcher/record/storage.h"
#include "engine/dispatcher/schedule/schedule.h"
#include "engine/dispatcher/schedule/step.h"
#include "queue/queue.h"

#define POLL_MS       100 // the delay that a lost hint causes
#define PAUSE_LOOK_MS 5
// Hooks that together send WAITING_MAX / 2 in less than this are not slow.
#define PAUSE_US INT64_C(50000)
// Less than the limit in dispatch.c, so that reading does not hold up sending.
#define UNCOMMITTED_MAX_BYTES ((size_t)1024 * 1024)

struct log_reader {
    uv_timer_t poll_timer;
    bool is_reading; // there is more to read
    bool is_paused;
    int64_t paused_at_us; // monotonic
};

struct reading {
    struct dispatcher *d;
    uint64_t n_read; // events
    bool is_cut;     // the last event is in an open fan, and counts as not read
};

static bool on_event(void *data, const struct event *event)
{
    struct reading *reading = data;
    struct dispatcher *d = reading->d;
    uint64_t position = get_be64(event->position.bytes);

    blame_begin(BLAME_EVENT, 0, position);
    due_saw_ms(d, event->accepted_at_us / 1000);
    reading->is_cut = !fan_begin(d, event);
    reading->n_read += !reading->is_cut;
    blame_begin(BLAME_EVENT, 0, position + 1); // the next event is decoded
    return !reading->is_cut &&
           schedule_n_from_log(&d->schedule) < WAITING_MAX &&
           batch_bytes(d->open_batch) < UNCOMMITTED_MAX_BYTES;
}

// Moves the queues of slow hooks into the index, as many as a slice allows. The
// deliveries that have waited longest are those of the slowest hooks.
static void spill_slow(struct dispatcher *d)
{
    int64_t now_us = clock_mono_us();
    int64_t until_us = slice_end_us(now_us);
    struct hook_state *f =
        schedule_slow_hook(&d->schedule, now_us, SLOW_AFTER_US);

    for (; f != NULL && clock_mono_us() < until_us;
         f = schedule_slow_hook(&d->schedule, now_us, SLOW_AFTER_US))
        due_rows_spill(d, f);
}

static void pause_reading(struct dispatcher *d)
{
    d->log_reader->is_paused = true;
    d->log_reader->paused_at_us = clock_mono_us();
    d->log_reader->is_reading = false;
    uv_timer_set_repeat(&d->log_reader->poll_timer, PAUSE_LOOK_MS);
    uv_timer_again(&d->log_reader->poll_timer);
}

static void resume_reading(struct dispatcher *d)
{
    d->log_reader->is_paused = false;
    uv_timer_set_repeat(&d->log_reader->poll_timer, POLL_MS);
    uv_timer_again(&d->log_reader->poll_timer);
}

static bool must_pause(const struct dispatcher *d)
{
    return schedule_n_from_log(&d->schedule) >= WAITING_MAX ||
           batch_bytes(d->open_batch) >= UNCOMMITTED_MAX_BYTES;
}

static bool may_resume(struct dispatcher *d)
{
    if (!dispatch_may_send(d)) {
        d->log_reader->paused_at_us = clock_mono_us(); // no hook can catch up
        return false;
    }
    if (batch_bytes(d->open_batch) >= UNCOMMITTED_MAX_BYTES)
        return false;
    if (schedule_n_from_log(&d->schedule) < WAITING_MAX / 2)
        return true;
    if (clock_mono_us() - d->log_reader->paused_at_us < PAUSE_US)
        return false;
    spill_slow(d);
    return schedule_n_from_log(&d->schedule) < WAITING_MAX;
}

// Notes that `n_read` more events, up to `position`, are read, and their deliveries made.
// Not every position has an event.
static void have_read(struct dispatcher *d, struct position position,
                      uint64_t n_read)
{
    uint64_t n_made = fan_take_made(d);

    d->read_to = position;
    aside_scanned(d);
    batch_count(d->open_batch, COUNT_MATCHED, (int64_t)n_made);
    metrics_count(COUNTER_EVENTS_MATCHED, n_read);
    metrics_count(COUNTER_DELIVERIES_MATCHED, n_made);
    metrics_gauge(GAUGE_MATCHED_TO, (int64_t)get_be64(d->read_to.bytes));
    commit_schedule(d);
    turn_mark(d, TURN_SEND);
}

static void read_batch(struct dispatcher *d)
{
    struct reading reading = { .d = d };
    struct event_scan scan = { .after = d->read_to,
                               .max = BATCH_EVENTS,
                               .keeps_closed = true };
    struct blamed before;

    if (!aside_limit_scan(d, &scan)) {
        d->log_reader->is_reading = false; // the next poll tries again
        return;
    }
    before = blame_begin(BLAME_EVENT, 0, get_be64(scan.after.bytes) + 1);
    if (event_view_scan(d->events, &scan, on_event, &reading) != OK)
        log_fatal("event log cannot be read", "");
    blame_end(before);
    if (scan.n_damaged > 0)
        batch_count(d->open_batch, COUNT_DAMAGED, (int64_t)scan.n_damaged);
    if (reading.is_cut)
        put_be64(scan.last.bytes, get_be64(d->fan->event.position.bytes) - 1);
    if (position_cmp(scan.last, scan.after) != 0) {
        have_read(d, scan.last, reading.n_read + scan.n_damaged);
    } else if (!reading.is_cut) {
        d->log_reader->is_reading = false; // the end of the log
    }
}

static void go_on_with_fan(struct dispatcher *d)
{
    metrics_count(COUNTER_SLICES, 1);
    if (fan_run(d, slice_end_us(clock_mono_us()))) {
        have_read(d, d->fan->event.position, 1);
    } else {
        turn_mark(d, TURN_SEND);
    }
}

static void wake(struct dispatcher *d)
{
    if (d->is_draining)
        return;
    if (d->log_reader->is_paused) {
        if (!may_resume(d))
            return;
        resume_reading(d);
    }
    d->log_reader->is_reading = true;
}

void reader_on_sent(struct dispatcher *d)
{
    if (d->log_reader->is_paused &&
        schedule_n_from_log(&d->schedule) < WAITING_MAX / 2)
        turn_mark(d, TURN_READ);
}

void reader_read(struct dispatcher *d)
{
    wake(d);
    if (!d->log_reader->is_reading)
        return;
    if (d->fan->is_open) { // even without room: no commit is possible before
        go_on_with_fan(d);
    } else if (!storage_has_room(d)) {
        d->log_reader->is_reading = false; // the next poll tries again
    } else if (must_pause(d)) {
        pause_reading(d);
    } else {
        read_batch(d);
    }
    if (d->log_reader->is_reading)
        turn_mark(d, TURN_READ);
}

// Hints may be lost: look for new events, and for changed hooks.
static void on_poll(uv_timer_t *timer)
{
    struct dispatcher *d = timer->data;

    if (!d->log_reader->is_paused)
        turn_mark(d, TURN_HOOKS);
    turn_mark(d, TURN_READ);
}

void reader_start(struct dispatcher *d)
{
    uv_loop_t *loop = role_loop(d->role);

    d->log_reader = xcalloc(1, sizeof(*d->log_reader));
    d->read_to = shard_cursor(d->shard);
    fan_init(d);
    uv_timer_init(loop, &d->log_reader->poll_timer);
    d->log_reader->poll_timer.data = d;
    uv_timer_start(&d->log_reader->poll_timer, on_poll, POLL_MS, POLL_MS);
    turn_mark(d, TURN_READ);
}

// Stops reading. If a fan is open, its remaining deliveries are made first.
void reader_stop(struct dispatcher *d)
{
    while (d->fan->is_open)
        go_on_with_fan(d);
    d->log_reader->is_reading = false;
    uv_timer_stop(&d->log_reader->poll_timer);
}
