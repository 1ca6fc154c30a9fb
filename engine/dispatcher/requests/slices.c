// SPDX-License-Identifier: MIT
// slices.c — queries whose answer takes more than a moment.
//
// Happy path: a query waits in the list; the timer works on the first query until its
// slice is over, pauses for twice as long, and goes on. When a query is answered, the
// next one is of another organization, if one waits.
//
// If it fails: a query that the process dies with is noted (blame.h) like a query that
// is answered at once. If too many queries wait, a further one gets ERR_BUSY.

#include "engine/dispatcher/requests/slices.h"

#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/fairness/turn_list.h"
#include "common/messages/query.h"
#include "common/process/blame.h"
#include "common/process/metrics.h"
#include "common/process/role.h"
#include "engine/dispatcher/deliver/requesters.h"
#include "engine/dispatcher/loop/dispatcher.h"
#include "engine/dispatcher/loop/slice.h"

#define HELD_MAX ((size_t)64 << 20) // bytes; a single query may hold more

struct slices {
    uv_timer_t timer;    // active while a query waits
    struct list waiting; // of struct sliced
    size_t n, n_bytes;
    int64_t rests_until_us;
};

static void let_go(struct slices *all, struct sliced *s)
{
    list_remove(&all->waiting, &s->turn.node);
    all->n--;
    all->n_bytes -= s->n_bytes;
    s->kind->free(s);
}

static void work(struct slices *all, int64_t until_us)
{
    do {
        struct sliced *s = LIST_FIRST(&all->waiting, struct sliced, turn.node);
        struct blamed before = blame_begin(BLAME_REQUEST, s->hash, 0);
        bool is_answered = s->kind->run(s, until_us);
        uint64_t org_id = s->turn.holder_no;

        blame_end(before);
        if (!is_answered)
            return; // the slice is over
        let_go(all, s);
        turn_pass(&all->waiting, org_id);
    } while (all->waiting.first != NULL && clock_mono_us() < until_us);
}

static void on_timer(uv_timer_t *timer)
{
    struct dispatcher *d = timer->data;
    struct slices *all = d->slices;
    int64_t began_us = clock_mono_us();
    uint64_t rest_ms;

    if (all->waiting.first == NULL)
        return;
    metrics_count(COUNTER_SLICES, 1);
    work(all, slice_end_us(began_us));
    rest_ms = slice_rest_ms(clock_mono_us() - began_us);
    all->rests_until_us = clock_mono_us() + (int64_t)rest_ms * 1000;
    if (all->waiting.first != NULL)
        slice_rest(timer, on_timer, rest_ms);
}

// Starts the timer, not sooner than the pause after the last slice allows.
static void start(struct slices *all)
{
    int64_t wait_us = all->rests_until_us - clock_mono_us();

    if (!uv_is_active((uv_handle_t *)&all->timer)) {
        uv_timer_start(&all->timer, on_timer,
                       wait_us > 0 ? (uint64_t)(wait_us + 999) / 1000 : 0, 0);
    }
}

enum err slices_add(struct dispatcher *d, struct sliced *s,
                    const struct query *query, uint64_t org_id)
{
    struct slices *all = d->slices;

    // The api process has checked the organizations' shares; queries of a former api
    // process may be here in addition.
    if (all->n >= d->config->max_questions + d->config->max_manual ||
        (all->n > 0 && all->n_bytes + s->n_bytes > HELD_MAX))
        return ERR_BUSY;
    s->d = d;
    s->n_apis = d->n_apis;
    s->no = query->no;
    s->hash = query_hash(query);
    turn_add(&all->waiting, &s->turn, org_id);
    all->n++;
    all->n_bytes += s->n_bytes;
    start(all);
    return OK;
}

void slices_drop(struct dispatcher *d, uint64_t no)
{
    struct slices *all = d->slices;
    struct sliced *next;

    for (struct sliced *s = LIST_FIRST(&all->waiting, struct sliced, turn.node);
         s != NULL; s = next) {
        next = LIST_NEXT(s, struct sliced, turn.node);
        if (no == 0 || (s->no == no && s->n_apis == d->n_apis)) {
            const struct reply none = { .no = no, .err = ERR_AGAIN };

            metrics_count(COUNTER_QUESTIONS_DROPPED, 1);
            if (no != 0)
                requesters_answer_now(d, &none); // api counts it no more
            let_go(all, s);
        }
    }
}

// Leaves out the query's number, which differs each time.
uint64_t query_hash(const struct query *query)
{
    struct str id = { (const char *)query->event_id.bytes,
                      sizeof(query->event_id.bytes) };

    return blame_hash(
        query->text,
        blame_hash(
            query->event,
            blame_hash(id, query->hook_id ^ (uint64_t)query->what << 56)));
}

void slices_init(struct dispatcher *d)
{
    struct slices *all = xcalloc(1, sizeof(*all));

    d->slices = all;
    uv_timer_init(role_loop(d->role), &all->timer);
    all->timer.data = d;
}
