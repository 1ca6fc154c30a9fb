// SPDX-License-Identifier: MIT
// changes.c — requests that change hooks, stacks or tokens; organizations take turns.
// Changes that name what they rely on (a revision, a free name) run beside each other,
// so that their writes share a commit; those that rely on what they have read run
// alone.
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

// Changes under way at once. They share a commit; another organization's change waits
// for as many at most.
#define CHANGES_MAX 16

// Is there room for the change now? One that runs alone waits until all that are under
// way are answered, and whoever comes behind waits for it.
static bool may_begin(const struct api *api, const struct api_request *rq)
{
    if (api->is_change_alone)
        return false;
    return rq->is_alone ? api->n_changing == 0 : api->n_changing < CHANGES_MAX;
}

// One step of the change: `begin`, or `written` with the outcome of a write. True: the
// request is answered.
static bool step(struct api_request *rq, const struct catalog_result *result)
{
    struct api *api = rq->api;
    struct blamed before =
        blame_begin(BLAME_REQUEST, rq->http->hash[0], rq->http->hash[1]);

    rq->http->data = NULL; // an answer may close its connection
    rq->change = CHANGE_RUNNING;
    if (result == NULL) {
        api->n_changing++;
        api->is_change_alone = rq->is_alone;
        rq->begin(rq);
    } else {
        rq->written(rq, result);
    }
    blame_end(before);
    if (rq->change != CHANGE_WRITING) {
        api->n_changing--;
        api->is_change_alone = false;
    }
    if (rq->change == CHANGE_RUNNING) {
        rq->change = CHANGE_NONE;
        return true;
    }
    rq->http->data = rq;
    return false;
}

// Takes the first of those that wait if it may begin. NULL: none may.
static struct api_request *take_next(struct api *api)
{
    struct api_request *rq =
        LIST_FIRST(&api->changes, struct api_request, turn.node);

    if (rq == NULL || !may_begin(api, rq))
        return NULL;
    list_remove(&api->changes, &rq->turn.node);
    turn_pass(&api->changes, rq->turn.holder_no);
    return rq;
}

static void begin_next(struct api *api)
{
    struct api_request *rq;

    while ((rq = take_next(api)) != NULL) {
        if (step(rq, NULL))
            request_free(rq);
    }
}

static void on_written(void *data, const struct catalog_result *result)
{
    struct api_request *rq = data;
    struct api *api = rq->api;

    assert(rq->change == CHANGE_WRITING);
    if (step(rq, result))
        request_free(rq);
    begin_next(api);
}

void request_change(struct api_request *rq,
                    void (*begin)(struct api_request *rq),
                    enum change_kind kind)
{
    struct api *api = rq->api;
    bool is_first = rq->change == CHANGE_NONE && api->changes.first == NULL;

    assert(rq->change == CHANGE_NONE || rq->change == CHANGE_RUNNING);
    rq->begin = begin;
    rq->is_alone = kind == CHANGE_ALONE;
    rq->change = CHANGE_WAITING;
    turn_add(&api->changes, &rq->turn, request_holder(rq));
    // From its handler, whose caller frees the request if it is answered then. It may
    // want to begin again.
    while (is_first && rq->change == CHANGE_WAITING && take_next(api) == rq)
        (void)step(rq, NULL);
}

struct catalog_caller
change_caller(struct api_request *rq,
              void (*written)(struct api_request *rq,
                              const struct catalog_result *result))
{
    assert(rq->change == CHANGE_RUNNING);
    rq->change = CHANGE_WRITING;
    rq->written = written;
    return (struct catalog_caller){
        .done = on_written,
        .data = rq,
        .blamed = { BLAME_REQUEST, rq->http->hash[0], rq->http->hash[1] },
    };
}
