// turns.c — calls that work for more than a moment before they answer: a little in
// each turn of the loop, so that others are answered meanwhile; those of different
// organizations in turns.

#include <assert.h>

#include "api/core/call.h"
#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/process/blame.h"
#include "common/process/metrics.h"

#define SLICE_US 2000 // of all that wait, in one turn

// The call at the front works until the slice is over, then goes to the end.
static void work(struct api *api, struct call *c, int64_t until_us)
{
    struct blamed before =
        blame_begin(BLAME_REQUEST, c->request->hash[0], c->request->hash[1]);
    bool is_done;

    metrics_count(COUNTER_SLICES, 1);
    api->working = c->next_working;
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

// Those of the holder that had its turn go behind all others, as they are.
static void pass_turn(struct api *api, uint64_t holder_no)
{
    struct call *its = NULL;
    struct call **its_end = &its;
    struct call **link = &api->working;

    while (*link != NULL) {
        struct call *c = *link;

        if (call_holder(c) != holder_no) {
            link = &c->next_working;
            continue;
        }
        *link = c->next_working;
        c->next_working = NULL;
        *its_end = c;
        its_end = &c->next_working;
    }
    *link = its;
}

static void on_turn(uv_idle_t *idle)
{
    struct api *api = idle->data;
    int64_t until_us = clock_mono_us() + SLICE_US;

    do {
        uint64_t holder_no = call_holder(api->working);

        work(api, api->working, until_us);
        pass_turn(api, holder_no);
    } while (api->working != NULL && clock_mono_us() < until_us);
    if (api->working == NULL)
        uv_idle_stop(idle);
}

static void forget(struct call *c)
{
    struct call **link = &c->api->working;

    while (*link != c)
        link = &(*link)->next_working;
    *link = c->next_working;
    if (c->api->working == NULL)
        uv_idle_stop(&c->api->turns);
}

void call_work(struct call *c, bool (*run)(struct call *c, int64_t until_us))
{
    struct api *api = c->api;
    struct call **link = &api->working;

    call_watch(c);
    c->work = run;
    c->is_working = true;
    assert(c->forget == NULL);
    c->forget = forget;
    c->next_working = NULL;
    while (*link != NULL)
        link = &(*link)->next_working;
    *link = c;
    uv_idle_start(&api->turns, on_turn);
}

void turns_init(struct api *api)
{
    uv_idle_init(role_loop(api->role), &api->turns);
    api->turns.data = api;
}
