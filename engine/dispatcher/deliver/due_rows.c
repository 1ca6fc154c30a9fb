// SPDX-License-Identifier: MIT
// due_rows.c — due rows into memory, and back.

#include "engine/dispatcher/deliver/due_rows.h"

#include "common/log/log.h"
#include "common/model/delivery.h"
#include "common/process/blame.h"
#include "engine/dispatcher/deliver/aside.h"
#include "engine/dispatcher/deliver/requesters.h"
#include "engine/dispatcher/loop/core.h"
#include "engine/dispatcher/loop/dispatcher.h"
#include "engine/dispatcher/loop/due_time.h"
#include "engine/dispatcher/record/commit.h"
#include "engine/dispatcher/record/hooks.h"
#include "engine/dispatcher/schedule/delivery_table.h"
#include "engine/dispatcher/schedule/hook_queue.h"
#include "engine/dispatcher/schedule/hook_state.h"
#include "engine/dispatcher/schedule/schedule.h"
#include "engine/dispatcher/schedule/step.h"
#include "queue/queue.h"

// With this many deliveries from the index in memory, rows are read a few at a time.
#define LOADED_MANY   8192
#define LOAD_ROWS_FEW 8

// Looks for rows that are due later.
static void look_ahead(struct dispatcher *d, struct hook_state *f,
                       const struct due_row *last, struct schedule_event *read)
{
    struct due_query query = { .hook_id = hook_state_id(f),
                               .after = last,
                               .until_ms = INT64_MAX };
    struct due_row next;
    size_t n = 0;

    if (shard_due_read(d->shard, &query, &next, 1, &n) != OK) {
        log_fatal("due rows cannot be read", "%s",
                  hook_log_or_no(hook_record(f), hook_state_id(f)));
    }
    read->is_end = true;
    read->has_rows = n > 0;
    if (n > 0)
        read->due_at_ms = next.due_at_ms;
}

static void arrive(struct dispatcher *d, struct delivery *dv)
{
    const struct schedule_event event = { .kind = SCHEDULE_ARRIVED,
                                          .delivery = dv };

    core_note(d, &event);
}

static bool take_row(struct dispatcher *d, struct hook_state *f,
                     const struct due_row *row)
{
    struct delivery *dv;

    if (delivery_find(&d->schedule, row->hook_id, row->position) != NULL)
        return false;
    dv = delivery_add_row(&d->schedule, f, row);
    delivery_set_deaths(dv, aside_deaths(hook_state_id(f), row->position));
    arrive(d, dv);
    return true;
}

// Returns how many deliveries were new in memory.
static size_t load_some(struct dispatcher *d, struct hook_state *f,
                        struct schedule_event *read)
{
    struct due_row rows[LOAD_ROWS];
    size_t max = schedule_n_loaded(&d->schedule) < LOADED_MANY ? LOAD_ROWS
                                                               : LOAD_ROWS_FEW;
    uint64_t n_commits = schedule_n_commits(&d->schedule);
    struct due_query query = {
        .hook_id = hook_state_id(f),
        .after = hook_last_loaded(f, n_commits),
        .until_ms = hook_is_active(f) ? due_now_ms(d) : INT64_MAX,
    };
    size_t n_new = 0;
    size_t n = 0;

    if (shard_due_read(d->shard, &query, rows, max, &n) != OK) {
        log_fatal("due rows cannot be read", "%s",
                  hook_log_or_no(hook_record(f), hook_state_id(f)));
    }
    for (size_t i = 0; i < n; i++)
        n_new += take_row(d, f, &rows[i]);
    if (n > 0)
        hook_note_loaded(f, &rows[n - 1], n_commits);
    if (n == max)
        read->due_at_ms = rows[n - 1].due_at_ms;
    if (n < max)
        look_ahead(d, f, hook_last_loaded(f, n_commits), read);
    return n_new;
}

static bool are_left(struct hook_state *f)
{
    if (blame_deaths(BLAME_ROWS, hook_state_id(f), 0) < BLAME_ASIDE)
        return false;
    log_warn("the dispatcher died three times with the due rows of a hook: "
             "they are left alone until the engine starts anew",
             "%s", hook_log_or_no(hook_record(f), hook_state_id(f)));
    return true;
}

// The rows are noted as one record (blame.h): before a row is decoded, it is not known
// which one kills the process.
void due_rows_load(struct dispatcher *d, struct hook_state *f)
{
    struct schedule_event event = { .kind = SCHEDULE_ROWS_LEFT, .hook = f };

    if (are_left(f))
        core_note(d, &event);
    event.kind = SCHEDULE_ROWS_READ;
    if (!hook_are_rows_left(f)) {
        struct blamed before = blame_begin(BLAME_ROWS, hook_state_id(f), 0);

        // The first rows of an ordered hook may be of deliveries that wait in memory.
        while (!event.is_end && load_some(d, f, &event) == 0 &&
               hook_is_ordered(f)) {
        }
        blame_end(before);
        blame_forget(BLAME_ROWS, hook_state_id(f), 0);
    }
    core_note(d, &event);
}

static void withdraw(struct dispatcher *d, struct delivery *dv)
{
    const struct schedule_event event = { .kind = SCHEDULE_WITHDRAWN,
                                          .delivery = dv };

    core_note(d, &event);
}

// Moves what waits into rows of the open batch. False: nothing waits.
static bool spill_waiting(struct dispatcher *d, struct hook_state *f)
{
    bool has_spilled = false;
    struct delivery *dv;

    while ((dv = hook_queue_first(f)) != NULL) {
        withdraw(d, dv);
        has_spilled = true;
        if (delivery_notes(dv)->requesters !=
            NULL) // its sender died; it may have to wait for long
            requesters_refuse(d, dv, ERR_AGAIN);
        if (!delivery_has_row(dv)) {
            struct due_row row = delivery_row(dv, delivery_due_at_ms(dv));

            commit_put_row(d, &row);
        }
        delivery_remove(&d->schedule, dv);
    }
    return has_spilled;
}

// The hook's rows are read again from the first one, after the commit of the open batch.
static void read_after_commit(struct dispatcher *d, struct hook_state *f)
{
    const struct schedule_event event = {
        .kind = SCHEDULE_SPILLED,
        .hook = f,
        .commit = commit_number(d),
    };

    // A row put earlier may also be in a change that is not committed yet.
    commit_wake_hook(d, hook_state_id(f), 0);
    core_note(d, &event);
    hook_load_anew(f);
    commit_schedule(d);
}

void due_rows_spill(struct dispatcher *d, struct hook_state *f)
{
    if (spill_waiting(d, f))
        read_after_commit(d, f);
}

void due_rows_restart(struct dispatcher *d, struct hook_state *f)
{
    spill_waiting(d, f);
    read_after_commit(d, f);
}
