// turns.c — calls that work for more than a moment before they answer: a little in
// each turn of the loop, so that others are answered meanwhile; those of different
// organizations in turns.

#include <assert.h>
#include <stddef.h>

#include "api/core/call.h"
#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/process/blame.h"
#include "common/process/metrics.h"

#define SLICE_US 2000 // of all that wait, in one turn

static struct call *call_of(struct turn_entry *t)
{
    return (struct call *)(void *)((char *)t - offsetof(struct call, turn));
}

// The call at the front works until the slice is over, then goes to the end.
static void work(struct api *api, struct call *c, int64_t until_us)
{
    struct blamed before =
        blame_begin(BLAME_REQUEST, c->request->hash[0], c->request->hash[1]);
    bool is_done;

    metrics_count(COUNTER_SLICES, 1);
    turn_remove(&api->working, &c->turn);
    c->is_working = false;
    c->forget = NULL;
    c->request->data = NULL; // an answer may be the end of its connection
    is_done = c->work(c, until_us);
    blame_end(before);
    if (is_done && c->pending == NULL && !c->is_producing) {
        call_free(c);
        return;
    }
    c->request->data = c;
    if (!is_done)
        call_work(c, c->work);
}

static void on_turn(uv_idle_t *idle)
{
    struct api *api = idle->data;
    int64_t until_us = clock_mono_us() + SLICE_US;

    do {
        uint64_t holder_no = api->working->holder_no;

        work(api, call_of(api->working), until_us);
        turn_pass(&api->working, holder_no);
    } while (api->working != NULL && clock_mono_us() < until_us);
    if (api->working == NULL)
        uv_idle_stop(idle);
}

static void forget(struct call *c)
{
    turn_remove(&c->api->working, &c->turn);
    if (c->api->working == NULL)
        uv_idle_stop(&c->api->turns);
}

void call_work(struct call *c, bool (*run)(struct call *c, int64_t until_us))
{
    struct api *api = c->api;

    call_watch(c);
    c->work = run;
    c->is_working = true;
    assert(c->forget == NULL);
    c->forget = forget;
    turn_add(&api->working, &c->turn, call_holder(c));
    uv_idle_start(&api->turns, on_turn);
}

void turns_init(struct api *api)
{
    uv_idle_init(role_loop(api->role), &api->turns);
    api->turns.data = api;
}
