// SPDX-License-Identifier: MIT
// changes.c — requests that change hooks, stacks or tokens: one after another, so
// that what a request has read stays true until its write; organizations take turns.
//
// Happy path: the request's turn comes; `begin` reads, checks and begins a write; the
// loop serves other requests; when the outcome is known, the request is answered and
// the next one's turn comes. The dispatchers are told by whoever began the write.
//
// If it fails: nothing is stored, and the answer says why. A client that disconnects
// meanwhile takes nothing back: its request lives until the outcome is known.

#include <assert.h>
#include <stddef.h>

#include "api/core/api_request.h"

static struct api_request *request_of(struct turn_entry *t)
{
    return (struct api_request *)(void *)((char *)t -
                                          offsetof(struct api_request, turn));
}

// One step of the change: `begin`, or `written` with the outcome of a write. True: the
// request is answered.
static bool step(struct api_request *rq, const struct catalog_result *result)
{
    struct blamed before =
        blame_begin(BLAME_REQUEST, rq->http->hash[0], rq->http->hash[1]);

    rq->http->data = NULL; // an answer may close its connection
    rq->is_writing = false;
    if (result == NULL) {
        rq->begin(rq);
    } else {
        rq->written(rq, result);
    }
    blame_end(before);
    if (rq->is_writing)
        rq->http->data = rq;
    return !rq->is_writing;
}

static void begin_next(struct api *api)
{
    while (api->changing == NULL && api->changes != NULL) {
        struct api_request *rq = request_of(api->changes);
        uint64_t holder_no = rq->turn.holder_no;

        turn_remove(&api->changes, &rq->turn);
        turn_pass(&api->changes, holder_no);
        api->changing = rq;
        if (step(rq, NULL)) {
            api->changing = NULL;
            request_free(rq);
        }
    }
}

static void on_written(void *data, const struct catalog_result *result)
{
    struct api_request *rq = data;
    struct api *api = rq->api;

    assert(api->changing == rq);
    if (!step(rq, result))
        return; // it has begun another write
    api->changing = NULL;
    request_free(rq);
    begin_next(api);
}

void request_change(struct api_request *rq,
                    void (*begin)(struct api_request *rq))
{
    struct api *api = rq->api;

    assert(!rq->is_changing);
    rq->begin = begin;
    if (api->changing != NULL) {
        rq->is_changing = true;
        turn_add(&api->changes, &rq->turn, request_holder(rq));
        return;
    }
    // The handler's caller frees the request, unless a write has begun.
    rq->begin(rq);
    rq->is_changing = rq->is_writing;
    if (rq->is_writing)
        api->changing = rq;
}

struct catalog_caller
change_caller(struct api_request *rq,
              void (*written)(struct api_request *rq,
                              const struct catalog_result *result))
{
    assert(!rq->is_writing);
    rq->is_writing = true;
    rq->written = written;
    return (struct catalog_caller){
        .done = on_written,
        .data = rq,
        .blamed = { BLAME_REQUEST, rq->http->hash[0], rq->http->hash[1] },
    };
}
