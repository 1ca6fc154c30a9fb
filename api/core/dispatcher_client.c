// SPDX-License-Identifier: MIT
// dispatcher_client.c — queries to the dispatchers, and the requests that wait for
// replies.
//
// If it fails: when a query's dispatcher is gone, or the query has waited too long, the
// request gets 503. Attempts that the dispatcher makes nevertheless are in the history.
// When the client has disconnected or the query has waited too long, the dispatcher is
// told, and stops working on the query.
//
// A query counts against its limit until its dispatcher has replied or is gone, even
// when no request waits for it any more: until then it causes work in the dispatcher.

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "api/core/api_request.h"
#include "common/base/clock.h"
#include "common/base/codec.h"
#include "common/base/list.h"
#include "common/base/mem.h"
#include "common/log/log.h"
#include "common/process/channel.h"

#define MARGIN_MS 5000 // beyond the time limit of an attempt

struct pending {
    struct list_node node; // in api.pending
    uint64_t no;
    struct link *link;
    struct api_request *rq; // NULL: it has gone or has been answered
    uint64_t hook_id;
    reply_handler then;
    int64_t until_us; // monotonic
    enum cap_kind cap;
    uint64_t holder_no;
};

void api_hint(struct api *api)
{
    for (size_t i = 0; i < QUEUE_SHARDS_MAX; i++) {
        struct channel *channel = api->dispatchers[i].channel;

        // An unread hint makes a second one unnecessary.
        if (channel == NULL || channel_unsent_bytes(channel) > 0)
            continue;
        pack_u64(channel_begin(channel), FRAME_HINT);
        channel_end_small(channel);
    }
}

void query_dispatcher(struct api_request *rq, struct query query,
                      reply_handler then)
{
    query_shard(rq, queue_shard_of(query.hook_id, rq->api->n_shards), query,
                rq->api->config->request_timeout_ms + MARGIN_MS, then);
}

#define QUERY_FRAMING_BYTES 1024 // the part of a frame that is not text

static bool is_too_large(const struct query *query)
{
    return query->org.n_bytes + query->project.n_bytes + query->text.n_bytes +
               query->event.n_bytes + QUERY_FRAMING_BYTES >
           QUERY_FRAME_MAX_BYTES;
}

// Tells the dispatcher that it need not work on the query any more; the dispatcher
// confirms this with a reply.
static void send_forget(const struct pending *p)
{
    if (p->link->channel == NULL)
        return;
    forget_pack(channel_begin(p->link->channel), p->no);
    channel_end_small(p->link->channel);
}

// Separates the request from its query: the request goes away, or has its answer.
static void detach(struct api_request *rq)
{
    rq->pending->rq = NULL;
    rq->pending = NULL;
    rq->forget = NULL;
}

static void forget(struct api_request *rq)
{
    send_forget(rq->pending);
    detach(rq);
}

void query_shard(struct api_request *rq, unsigned shard, struct query query,
                 int64_t timeout_ms, reply_handler then)
{
    struct api *api = rq->api;
    struct link *link = &api->dispatchers[shard];
    enum cap_kind cap =
        query.what == QUERY_PING || query.what == QUERY_REDELIVER
            ? CAP_ON_DEMAND
            : CAP_QUERIES;
    struct pending *p;

    if (link->channel == NULL) {
        http_fail(rq->http, 503, STR("Retry-After: 1\r\n"),
                  "the dispatcher of this webhook is not running; try again");
        return;
    }
    if (is_too_large(&query)) {
        http_fail(
            rq->http, 413, STR_EMPTY,
            "the request is too large for a dispatcher; ask for less at once");
        return;
    }
    if (!request_may_hold(rq, cap))
        return;
    shares_add(&api->shares[cap], request_holder(rq), 1);
    p = xcalloc(1, sizeof(*p));
    *p = (struct pending){
        .no = ++api->n_asked,
        .link = link,
        .rq = rq,
        .hook_id = query.hook_id,
        .then = then,
        .until_us = clock_mono_us() + timeout_ms * 1000,
        .cap = cap,
        .holder_no = request_holder(rq),
    };
    list_push_front(&api->pending, &p->node);
    rq->pending = p;
    assert(rq->forget == NULL);
    rq->forget = forget;
    request_watch(rq);
    query.no = p->no;
    query_pack(channel_begin(link->channel), &query);
    channel_end_small(link->channel);
}

static struct pending *first_of(const struct api *api)
{
    return LIST_FIRST(&api->pending, struct pending, node);
}

static struct pending *next_of(const struct pending *p)
{
    return LIST_NEXT(p, struct pending, node);
}

// Removes the query from the list and from the count.
static void take_out(struct api *api, struct pending *p)
{
    list_remove(&api->pending, &p->node);
    shares_remove(&api->shares[p->cap], p->holder_no, 1);
}

// Passes the reply to the request that waits for it.
static void pass_reply(struct api_request *rq, const struct reply *reply)
{
    struct pending *p = rq->pending;
    reply_handler then = p->then;
    uint64_t hook_id = p->hook_id;
    struct blamed before =
        blame_begin(BLAME_REQUEST, rq->http->hash[0], rq->http->hash[1]);

    detach(rq);
    rq->http->data = NULL;
    if (reply->err == ERR_CRASHED) {
        http_fail(
            rq->http, 500, STR_EMPTY,
            "the dispatcher died three times while it processed this request "
            "and does not process it again; see the engine's log");
    } else {
        then(rq, hook_id, reply);
    }
    blame_end(before);
    if (rq->pending == NULL && !rq->is_producing && !rq->is_working) {
        request_free(rq);
    } else {
        rq->http->data = rq; // it has made another query, or works on
    }
}

// Ends a query that its dispatcher has finished. The callback that runs then may make
// another query.
static void end(struct api *api, struct pending *p, const struct reply *reply)
{
    take_out(api, p);
    if (p->rq != NULL)
        pass_reply(p->rq, reply);
    free(p);
}

bool dispatcher_client_on_frame(struct link *link, struct str frame)
{
    struct reply reply;
    struct pending *p;

    if (reply_unpack(frame, &reply) != OK)
        return false;
    for (p = first_of(link->api); p != NULL; p = next_of(p)) {
        if (p->no == reply.no && p->link == link) {
            end(link->api, p, &reply);
            return true;
        }
    }
    log_debug("a dispatcher's reply came after its request had ended",
              "no=%" PRIu64, reply.no);
    return true;
}

// The first query of this link. NULL: there is none.
static struct pending *find_of(const struct link *link)
{
    struct pending *p = first_of(link->api);

    while (p != NULL && p->link != link)
        p = next_of(p);
    return p;
}

// The first query for which a request has waited too long. NULL: there is none.
static struct pending *find_old(struct api *api, int64_t now_us)
{
    struct pending *p = first_of(api);

    while (p != NULL && (p->rq == NULL || p->until_us > now_us))
        p = next_of(p);
    return p;
}

void dispatcher_client_on_closed(struct link *link)
{
    const struct reply none = { .err = ERR_AGAIN };
    struct pending *p;

    while ((p = find_of(link)) != NULL)
        end(link->api, p, &none);
}

void dispatcher_client_on_second(struct api *api)
{
    const struct reply none = { .err = ERR_AGAIN };
    struct pending *p;

    while ((p = find_old(api, clock_mono_us())) != NULL) {
        send_forget(p);
        pass_reply(p->rq, &none);
    }
}
