// SPDX-License-Identifier: MIT
// discard.c — dead letters that are settled as cancelled: those that somebody
// discards, and those of deleted hooks.
//
// Happy path: each turn does a slice of one request, or of the sweep of deleted hooks;
// turns are a few milliseconds apart. A slice reads on in the dead index and adds to
// d->open_batch what is settled; the next slice begins when that is committed. So each
// dead letter is read once, and memory and commits stay small however many there are. A
// request is answered when all dead letters are looked at, or after a second of work,
// with the place to go on from.
//
// A delivery in memory is being sent again or settled: it is left alone.
//
// If it fails: what was committed is settled, all other dead letters are as before.
// While the disk is full nothing more is settled, and requests are answered with
// ERR_FULL.

#include "engine/dispatcher/requests/discard.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/arena.h"
#include "common/base/clock.h"
#include "common/base/codec.h"
#include "common/base/mem.h"
#include "common/log/log.h"
#include "common/messages/query.h"
#include "common/model/delivery.h"
#include "common/process/metrics.h"
#include "common/process/role.h"
#include "engine/dispatcher/deliver/requesters.h"
#include "engine/dispatcher/loop/dispatcher.h"
#include "engine/dispatcher/record/commit.h"
#include "engine/dispatcher/record/storage.h"
#include "engine/dispatcher/requests/discard_choice.h"
#include "engine/dispatcher/requests/discard_slice.h"
#include "engine/dispatcher/requests/discard_sweep.h"
#include "engine/dispatcher/schedule/delivery_table.h"
#include "queue/queue.h"

#define SLICE_US      1500 // of each tick; live deliveries have the rest
#define WORK_US       INT64_C(1000000) // for one request
#define WORK_ROWS_MAX 20000            // for one request

// --- requests ---

static struct discard_request *first_of(const struct discards *s)
{
    return LIST_FIRST(&s->requests, struct discard_request, node);
}

// Whether the request has reached the maximum that it names.
static bool is_full(const struct discard_request *r)
{
    return r->query.max > 0 && r->reply.n >= r->query.max;
}

// Looks at some rows. True: there are no more.
static bool scan_rows(struct dispatcher *d, struct discard_request *r,
                      int64_t until_us)
{
    struct dead_row rows[DISCARD_ROWS_AT_ONCE];
    size_t n = discard_read(d, &r->at, rows, DISCARD_ROWS_AT_ONCE);
    bool is_jump = false;

    for (size_t i = 0; i < n; i++) {
        const struct dead_row *row = &rows[i];

        if (is_jump || is_full(r) || discard_is_over(d, until_us))
            return false;
        if (r->query.hook_id != 0 && row->hook_id != r->query.hook_id)
            return true;
        if (!choice_wants(d, r, row, &is_jump))
            continue;
        r->reply.n++;
        if (delivery_find(&d->schedule, row->hook_id, row->position) != NULL) {
            r->reply.n_gone++;
        } else if (!r->query.is_dry) {
            discard_row(d, row, r->reason);
        }
    }
    return n < DISCARD_ROWS_AT_ONCE && !is_jump;
}

static void run(struct dispatcher *d, struct discard_request *r,
                int64_t until_us)
{
    bool is_end = false;

    if (r->until_us == 0)
        r->until_us = clock_mono_us() + WORK_US;
    if (!choice_find_event(d, r, until_us))
        return;
    while (!is_end && !is_full(r) && !discard_is_over(d, until_us))
        is_end = scan_rows(d, r, until_us);
    r->is_over = is_end || is_full(r) || r->reply.n >= WORK_ROWS_MAX ||
                 clock_mono_us() >= r->until_us;
    if (is_end || !r->is_over)
        return;
    put_be64(r->after, r->at.hook_id);
    memcpy(r->after + 8, r->at.position.bytes, sizeof(r->at.position.bytes));
    r->reply.text = (struct str){ (const char *)r->after, sizeof(r->after) };
}

// Answers a request that has left the list, whose changes are committed or will be, and
// frees it.
static void end(struct dispatcher *d, struct discard_request *r)
{
    uint64_t n_settled = r->reply.n - r->reply.n_gone;

    if (!r->query.is_dry && n_settled > 0) {
        log_info("dead letters discarded", "org=%s %s%sn=%" PRIu64 " by=%s",
                 log_quote(r->query.org),
                 r->query.hook_id != 0 ? hook_log_no(r->query.hook_id) : "",
                 r->query.hook_id != 0 ? " " : "", n_settled,
                 log_quote(r->query.by));
    }
    if (r->n_apis == d->n_apis)
        requesters_answer_now(d, &r->reply);
    arena_clear(&r->arena);
    free(r);
}

// There is no room on the disk: answers all requests with that. What they have added to
// the batch is committed once there is room.
static void refuse_all(struct dispatcher *d)
{
    struct discards *s = d->discards;
    struct discard_request *r;

    while ((r = LIST_POP(&s->requests, struct discard_request, node)) != NULL) {
        r->reply.err = ERR_FULL;
        end(d, r);
    }
}

static void take_turn(struct dispatcher *d)
{
    struct discards *s = d->discards;
    int64_t until_us = clock_mono_us() + SLICE_US;
    struct discard_request *r = first_of(s);

    metrics_count(COUNTER_SLICES, 1);
    s->n_in_slice = 0;
    s->is_sweeps_turn = !s->is_sweeps_turn && sweep_has_work(d);
    if (r != NULL && !s->is_sweeps_turn) {
        run(d, r, until_us);
        list_remove(&s->requests, &r->node); // each has its turn
        list_push(&s->requests, &r->node);
    } else {
        sweep_run(d, until_us);
    }
    if (s->n_in_slice > 0)
        discard_go_on(d);
}

static void on_timer(uv_timer_t *timer)
{
    struct dispatcher *d = timer->data;
    struct discards *s = d->discards;
    struct discard_request *r;

    if (d->is_draining)
        return;
    if (!storage_has_room(d)) {
        refuse_all(d);
        return;
    }
    if (schedule_n_commits(&d->schedule) < s->after_commit) {
        commit_schedule(d);
        return;
    }
    // Nobody waits for the requests of a former api process.
    while ((r = first_of(s)) != NULL &&
           (r->is_over || r->n_apis != d->n_apis)) {
        (void)list_pop(&s->requests);
        end(d, r);
    }
    if (r != NULL || sweep_has_work(d)) {
        take_turn(d);
    } else {
        uv_timer_stop(timer);
    }
}

void discard_forget(struct dispatcher *d, uint64_t no)
{
    for (struct discard_request *r = first_of(d->discards); r != NULL;
         r = LIST_NEXT(r, struct discard_request, node)) {
        if (r->reply.no != no || r->n_apis != d->n_apis || r->is_over)
            continue;
        metrics_count(COUNTER_QUESTIONS_DROPPED, 1);
        r->reply.err = ERR_AGAIN;
        r->is_over = true;
    }
}

static enum err begin(struct dispatcher *d, const struct query *query)
{
    struct discards *s = d->discards;
    struct discard_request *r;
    enum err err;

    if (d->is_draining)
        return ERR_AGAIN;
    if (!storage_has_room(d))
        return ERR_FULL;
    r = xcalloc(1, sizeof(*r));
    r->n_apis = d->n_apis;
    r->reply.no = query->no;
    err = choice_read(r, query);
    if (err != OK) {
        arena_clear(&r->arena);
        free(r);
        return err;
    }
    list_push(&s->requests, &r->node);
    discard_go_on(d);
    return OK;
}

void discard_on_query(struct dispatcher *d, const struct query *query)
{
    struct reply reply = { .no = query->no };

    reply.err = begin(d, query);
    if (reply.err != OK)
        requesters_answer_now(d, &reply);
}

void discard_init(struct dispatcher *d)
{
    struct discards *s = xcalloc(1, sizeof(*s));

    d->discards = s;
    uv_timer_init(role_loop(d->role), &s->timer);
    s->timer.data = d;
    s->on_timer = on_timer;
    d->on_hook_deleted = sweep_hook;
    s->sweep.is_walking = true;
    discard_go_on(d);
}
