// SPDX-License-Identifier: MIT
// turns.c — requests that work for more than a moment before they answer. They work a
// little in each turn of the loop, so that other requests are answered meanwhile, and
// organizations take turns.

#include <assert.h>
#include <stddef.h>

#include "api/core/api_request.h"
#include "common/base/clock.h"
#include "common/process/blame.h"
#include "common/process/metrics.h"

// For all working requests together, in one turn of the loop.
#define SLICE_US 2000

// The request at the front works until the slice is over, then goes to the end.
static void work(struct api *api, struct api_request *rq, int64_t until_us)
{
    struct blamed before =
        blame_begin(BLAME_REQUEST, rq->http->hash[0], rq->http->hash[1]);
    bool is_done;

    metrics_count(COUNTER_SLICES, 1);
    list_remove(&api->working, &rq->turn.node);
    rq->is_working = false;
    rq->forget = NULL;
    rq->http->data = NULL; // an answer may close its connection
    is_done = rq->work(rq, until_us);
    blame_end(before);
    if (is_done && rq->pending == NULL && !rq->is_producing) {
        request_free(rq);
        return;
    }
    rq->http->data = rq;
    if (!is_done)
        request_work(rq, rq->work);
}

static void on_turn(uv_idle_t *idle)
{
    struct api *api = idle->data;
    int64_t until_us = clock_mono_us() + SLICE_US;

    struct api_request *rq;

    do {
        uint64_t holder_no;

        rq = LIST_FIRST(&api->working, struct api_request, turn.node);
        if (rq == NULL)
            break;
        holder_no = rq->turn.holder_no; // working may free the request
        work(api, rq, until_us);
        turn_pass(&api->working, holder_no);
    } while (clock_mono_us() < until_us);
    if (api->working.first == NULL)
        uv_idle_stop(idle);
}

static void forget(struct api_request *rq)
{
    list_remove(&rq->api->working, &rq->turn.node);
    if (rq->api->working.first == NULL)
        uv_idle_stop(&rq->api->turns);
}

void request_work(struct api_request *rq,
                  bool (*run)(struct api_request *rq, int64_t until_us))
{
    struct api *api = rq->api;

    request_watch(rq);
    rq->work = run;
    rq->is_working = true;
    assert(rq->forget == NULL);
    rq->forget = forget;
    turn_add(&api->working, &rq->turn, request_holder(rq));
    uv_idle_start(&api->turns, on_turn);
}

void turns_init(struct api *api)
{
    uv_idle_init(role_loop(api->role), &api->turns);
    api->turns.data = api;
}
