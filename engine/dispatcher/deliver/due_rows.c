// due_rows.c — due rows into memory, and back.

#include "engine/dispatcher/deliver/due_rows.h"

#include "common/log/log.h"
#include "common/process/blame.h"
#include "engine/dispatcher/deliver/requesters.h"
#include "engine/dispatcher/record/commit.h"
#include "engine/dispatcher/schedule/delivery_table.h"
#include "engine/dispatcher/schedule/due_time.h"
#include "engine/dispatcher/schedule/hook_queue.h"
#include "engine/dispatcher/schedule/hook_schedule.h"
#include "engine/dispatcher/schedule/hook_state.h"
#include "engine/dispatcher/schedule/schedule.h"
#include "queue/queue.h"

#define FETCHED_MANY   8192 // waiting in memory: then rows come a few at a time
#define FETCH_ROWS_FEW 8

// Whether more rows are due later: then the timer waits for the first.
static void look_ahead(struct followed *f, const struct due_row *last)
{
    struct dispatcher *d = f->dispatcher;
    struct due_query query = { .hook_no = f->no,
                               .after = last,
                               .until_ms = INT64_MAX };
    struct due_row next;
    size_t n = 0;

    if (shard_due_read(d->shard, &query, &next, 1, &n) != OK) {
        log_fatal("due rows cannot be read", "%s",
                  hook_log_or_no(f->hook, f->no));
    }
    f->is_fetchable = false;
    f->has_rows = n > 0;
    if (n > 0)
        followed_expect(f, next.due_at_ms);
}

static bool take_row(struct followed *f, const struct due_row *row)
{
    struct dispatcher *d = f->dispatcher;
    struct delivery *dv;

    if (open_find(d, row->hook_no, row->position) != NULL)
        return false;
    dv = open_add(d, f, row->position);
    open_give_row(d, dv, row->due_at_ms);
    dv->n_attempts = row->n_attempts;
    dv->n_crashes = row->n_crashes;
    dv->queue_us = row->queue_us;
    dv->not_before_ms = row->not_before_ms;
    dv->lane = row->lane;
    dv->replay = row->replay;
    dv->n_before = row->n_before;
    dv->payload_bytes = row->payload_bytes;
    pump_enqueue(d, dv);
    return true;
}

// Returns how many were new.
static size_t fetch_some(struct followed *f)
{
    struct dispatcher *d = f->dispatcher;
    struct due_row rows[FETCH_ROWS];
    size_t max = d->n_fetched < FETCHED_MANY ? FETCH_ROWS : FETCH_ROWS_FEW;
    bool goes_on = f->fetched_after == d->n_commits;
    struct due_query query = {
        .hook_no = f->no,
        .after = goes_on ? &f->fetched : NULL,
        .until_ms = followed_is_active(f) ? due_now_ms(d) : INT64_MAX,
    };
    size_t n_new = 0;
    size_t n = 0;

    if (shard_due_read(d->shard, &query, rows, max, &n) != OK) {
        log_fatal("due rows cannot be read", "%s",
                  hook_log_or_no(f->hook, f->no));
    }
    for (size_t i = 0; i < n; i++)
        n_new += take_row(f, &rows[i]);
    if (n > 0) {
        f->fetched = rows[n - 1];
        f->fetched_after = d->n_commits;
        goes_on = true;
    }
    if (n < max)
        look_ahead(f, goes_on ? &f->fetched : NULL);
    return n_new;
}

static bool are_left(struct followed *f)
{
    if (blame_deaths(BLAME_ROWS, f->no, 0) < BLAME_ASIDE)
        return false;
    log_warn("the dispatcher died three times with the due rows of a hook: "
             "they are left alone until the engine starts anew",
             "%s", hook_log_or_no(f->hook, f->no));
    f->are_rows_left = true;
    return true;
}

// They are noted as one record: which row it is that kills is not known before
// it is decoded.
void fetch_rows(struct followed *f)
{
    struct blamed before;

    if (are_left(f))
        return;
    before = blame_begin(BLAME_ROWS, f->no, 0);
    // The first rows of an ordered hook may be those that stand still in memory.
    while (fetch_may(f) && fetch_some(f) == 0 && followed_is_ordered(f)) {
    }
    blame_end(before);
    blame_forget(BLAME_ROWS, f->no, 0);
}

void fetch_spill(struct followed *f)
{
    struct dispatcher *d = f->dispatcher;
    struct delivery *dv;
    bool has_spilled = false;

    while ((dv = line_take(d, f)) != NULL) {
        has_spilled = true;
        if (dv->manual != NULL) // its sender died; its turn may be far off now
            manual_refuse(d, dv, ERR_AGAIN);
        if (!dv->has_row) {
            struct due_row row = row_of(dv, dv->due_at_ms);

            settle_put_row(d, &row);
        }
        open_remove(d, dv);
    }
    if (!has_spilled)
        return;
    // A row that it had may be in a change that is not committed, like a new one.
    settle_wake(d, f->no, 0);
    f->spilled_until = d->n_commits + 1 + settle_is_busy(d);
    f->rows_until = f->spilled_until;
    f->has_rows = true;
    f->is_fetchable = true;
    f->fetched_after = 0; // from the front again
    settle_touch(d);
}
