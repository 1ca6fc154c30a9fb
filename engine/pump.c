// pump.c — which delivery goes to its sender next; fetches due rows.
//
// Happy path: hooks that have something to send stand in the ring of their
// sender; each gets one turn, one delivery, and goes to the end, so no hook
// waits for another's queue. A turn ends at the hook's window, the ring at the
// sender's.
//
// If it fails: with no sender, everything waits where it is.

#include <inttypes.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "engine/dispatch.h"

#define FETCHED_MANY   8192 // waiting in memory: then rows come a few at a time
#define FETCH_ROWS_FEW 8
// Said and not committed yet: then nothing more is sent, so that a disk that
// hangs or is full does not fill the memory.
#define UNCOMMITTED_MAX_BYTES ((size_t)16 * 1024 * 1024)

// --- queues and rings ---

static void start_waiting(struct dispatcher *d, struct delivery *dv)
{
    dv->place = DELIVERY_WAITING;
    dv->waiting_since_us = clock_mono_us();
    if (!dv->is_fresh) {
        d->n_fetched++;
        return;
    }
    d->n_fresh++;
    dv->fresh_next = NULL;
    dv->fresh_prev = d->fresh_last;
    if (d->fresh_last != NULL) {
        d->fresh_last->fresh_next = dv;
    } else {
        d->fresh_first = dv;
    }
    d->fresh_last = dv;
}

static void stop_waiting(struct dispatcher *d, struct delivery *dv)
{
    if (!dv->is_fresh) {
        d->n_fetched--;
        return;
    }
    d->n_fresh--;
    if (dv->fresh_prev != NULL) {
        dv->fresh_prev->fresh_next = dv->fresh_next;
    } else {
        d->fresh_first = dv->fresh_next;
    }
    if (dv->fresh_next != NULL) {
        dv->fresh_next->fresh_prev = dv->fresh_prev;
    } else {
        d->fresh_last = dv->fresh_prev;
    }
}

void pump_enqueue(struct dispatcher *d, struct delivery *dv)
{
    struct followed *f = dv->hook;

    dv->next = NULL;
    if (f->last != NULL) {
        f->last->next = dv;
    } else {
        f->first = dv;
    }
    f->last = dv;
    start_waiting(d, dv);
    pump_ready(f);
}

void pump_return(struct dispatcher *d, struct delivery *dv)
{
    struct followed *f = dv->hook;

    dv->next = f->first;
    f->first = dv;
    if (f->last == NULL)
        f->last = dv;
    start_waiting(d, dv);
    pump_ready(f);
}

static struct delivery *dequeue(struct dispatcher *d, struct followed *f)
{
    struct delivery *dv = f->first;

    if (dv == NULL)
        return NULL;
    f->first = dv->next;
    if (f->first == NULL)
        f->last = NULL;
    dv->next = NULL;
    stop_waiting(d, dv);
    return dv;
}

void pump_unlink(struct dispatcher *d, struct delivery *dv)
{
    struct followed *f = dv->hook;
    struct delivery *before = NULL;

    for (struct delivery *at = f->first; at != dv; at = at->next)
        before = at;
    if (before != NULL) {
        before->next = dv->next;
    } else {
        f->first = dv->next;
    }
    if (f->last == dv)
        f->last = before;
    dv->next = NULL;
    stop_waiting(d, dv);
}

static bool has_work(const struct followed *f)
{
    return f->first != NULL || f->is_fetchable;
}

void pump_ready(struct followed *f)
{
    struct dispatcher *d = f->dispatcher;
    struct sender_link *link;

    if (f->is_ready || !has_work(f))
        return;
    if (followed_is_active(f) && f->n_sent >= d->config->max_inflight_per_hook)
        return; // an outcome brings it back
    f->sender = f->wanted_sender;
    link = &d->senders[f->sender];
    f->is_ready = true;
    f->next_ready = NULL;
    if (link->ring_last != NULL) {
        link->ring_last->next_ready = f;
    } else {
        link->ring_first = f;
    }
    link->ring_last = f;
}

static struct followed *take_ready(struct sender_link *link)
{
    struct followed *f = link->ring_first;

    link->ring_first = f->next_ready;
    if (link->ring_first == NULL)
        link->ring_last = NULL;
    f->is_ready = false;
    return f;
}

// --- rows ---

// Whether more rows are due later: then the timer waits for the first.
static void look_ahead(struct followed *f, const struct due_row *last)
{
    struct dispatcher *d = f->dispatcher;
    struct due_query query = { .hook_no = f->no,
                               .after = last,
                               .until_ms = INT64_MAX };
    struct due_row next;
    size_t n = 0;

    if (shard_due_read(d->shard, &query, &next, 1, &n) != OK)
        log_fatal("due rows cannot be read", "hook=%" PRIu64, f->no);
    f->is_fetchable = false;
    f->has_rows = n > 0;
    if (n > 0)
        followed_expect(f, next.due_at_ms);
}

static void take_row(struct followed *f, const struct due_row *row)
{
    struct dispatcher *d = f->dispatcher;
    struct delivery *dv;

    if (open_find(d, row->hook_no, row->position) != NULL)
        return;
    dv = open_add(d, f, row->position);
    open_give_row(d, dv, row->due_at_ms);
    dv->n_attempts = row->n_attempts;
    dv->n_crashes = row->n_crashes;
    dv->queue_us = row->queue_us;
    pump_enqueue(d, dv);
}

static void fetch(struct followed *f)
{
    struct dispatcher *d = f->dispatcher;
    struct due_row rows[FETCH_ROWS];
    size_t max = d->n_fetched < FETCHED_MANY ? FETCH_ROWS : FETCH_ROWS_FEW;
    bool goes_on = f->fetched_after == d->n_commits;
    struct due_query query = {
        .hook_no = f->no,
        .after = goes_on ? &f->fetched : NULL,
        .until_ms = followed_is_active(f) ? clock_now_ms() : INT64_MAX,
    };
    size_t n = 0;

    if (shard_due_read(d->shard, &query, rows, max, &n) != OK)
        log_fatal("due rows cannot be read", "hook=%" PRIu64, f->no);
    for (size_t i = 0; i < n; i++)
        take_row(f, &rows[i]);
    if (n > 0) {
        f->fetched = rows[n - 1];
        f->fetched_after = d->n_commits;
        goes_on = true;
    }
    if (n < max)
        look_ahead(f, goes_on ? &f->fetched : NULL);
}

void pump_spill(struct followed *f)
{
    struct dispatcher *d = f->dispatcher;
    struct delivery *dv;

    while ((dv = dequeue(d, f)) != NULL) {
        if (dv->manual != NULL) // its sender died; its turn may be far off now
            manual_refuse(d, dv, ERR_AGAIN);
        if (!dv->has_row) {
            struct due_row row = { .hook_no = f->no,
                                   .due_at_ms = clock_now_ms(),
                                   .position = dv->position,
                                   .n_attempts = dv->n_attempts,
                                   .n_crashes = dv->n_crashes,
                                   .queue_us = dv->queue_us };

            settle_put_row(d, &row);
        }
        open_remove(d, dv);
    }
    f->has_rows = true;
    f->is_fetchable = true;
    f->fetched_after = 0; // from the front again
    pump_ready(f);
}

// --- turns ---

// One turn of a hook that is deleted or switched off.
static void cancel_some(struct followed *f)
{
    struct dispatcher *d = f->dispatcher;
    struct delivery *dv;

    if (f->first == NULL && f->is_fetchable)
        fetch(f);
    while ((dv = dequeue(d, f)) != NULL)
        settle_cancel(d, dv);
    pump_ready(f);
    followed_forget_if_done(f);
}

static bool may_send(const struct dispatcher *d)
{
    return !d->is_draining && d->free_slot != NO_SLOT &&
           change_bytes(d->filling) < UNCOMMITTED_MAX_BYTES;
}

void pump_sender(struct sender_link *link)
{
    struct dispatcher *d = link->dispatcher;

    while (link->ring_first != NULL && link->chan != NULL &&
           link->n_sent < d->config->max_inflight && may_send(d)) {
        struct followed *f = take_ready(link);
        struct delivery *dv;

        if (!followed_is_active(f)) {
            cancel_some(f);
            continue;
        }
        if (f->first == NULL && f->is_fetchable)
            fetch(f);
        dv = dequeue(d, f);
        if (dv != NULL)
            send_delivery(d, dv);
        pump_ready(f);
    }
}

void pump_all(struct dispatcher *d)
{
    for (unsigned i = 0; i < d->n_senders; i++)
        pump_sender(&d->senders[i]);
}
