// SPDX-License-Identifier: MIT
// lanes.c — which connections an attempt may use.
//
// A connection of HTTP/2 has one window for the bodies of all requests on it. A request
// whose body the receiver does not read may use up that window, and then every other
// request on the connection waits. So only requests of one hook share a connection: each
// hook that sends to an endpoint has a lane of its own there, a handle of libcurl with
// its own connections. A lane in which nothing is in flight may be taken over by another
// hook, as a kept connection of HTTP/1.1 is.
//
// Within a hook, a request joins others only when a response has come in that lane and
// nothing in it has been in flight for long. Nobody waits for a handshake of another
// request: while a lane is not proven, further requests take other lanes. Once something
// in a lane went wrong, the lane gets no more requests, and its connections end with the
// last of those in flight.
//
// Endpoints are taken to speak HTTP/1.1 until one has answered by HTTP/2; until then
// their requests are in the common lane, where a connection of either kind carries one
// request at a time.

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/codec.h"
#include "common/base/mem.h"
#include "common/log/log.h"
#include "common/process/metrics.h"
#include "engine/sender/private.h"

#define ENDPOINTS_MAX      4096
#define LANES_MAX          256
#define STREAMS_MAX        100 // as many as every receiver should take (RFC 9113)
#define SLOW_US            INT64_C(1000000)
#define STALE_US           INT64_C(10000000) // the receiver may have closed it
#define ENDPOINT_FORGET_US INT64_C(600000000)
#define HASH_SEED          4

struct endpoint {
    struct hash_node node;
    struct list lanes;
    int64_t used_at_us;
    int64_t http1_until_us; // it asked for HTTP/1.1
    size_t n_bytes;
    char name[]; // "https://host:port", as in the URL
};

// --- endpoints ---

struct str endpoint_name(struct str url)
{
    const char *host = memmem(url.at, url.n_bytes, "://", 3);
    const char *end = url.at + url.n_bytes;
    const char *at = host != NULL ? host + 3 : url.at;

    while (at < end && *at != '/' && *at != '?')
        at++;
    return (struct str){ url.at, (size_t)(at - url.at) };
}

static struct endpoint *endpoint_find(const struct transfers *ts,
                                      struct str name)
{
    struct hash_node *n =
        hash_map_find(&ts->endpoints, hash_here(name, HASH_SEED));

    for (; n != NULL; n = hash_map_same(n)) {
        struct endpoint *e = HASH_OBJECT(n, struct endpoint, node);

        if (str_eq((struct str){ e->name, e->n_bytes }, name))
            return e;
    }
    return NULL;
}

// Finds or adds one. NULL: there are too many.
static struct endpoint *endpoint_learn(struct transfers *ts, struct str name)
{
    struct endpoint *e = endpoint_find(ts, name);

    if (e != NULL || ts->n_endpoints >= ENDPOINTS_MAX)
        return e;
    e = xcalloc(1, sizeof(*e) + name.n_bytes);
    e->n_bytes = name.n_bytes;
    memcpy(e->name, name.at, name.n_bytes);
    e->used_at_us = clock_mono_us();
    hash_map_add(&ts->endpoints, &e->node, hash_here(name, HASH_SEED));
    ts->n_endpoints++;
    return e;
}

// --- lanes ---

static struct lane *lane_new(struct transfers *ts, struct endpoint *e)
{
    struct lane *lane = xcalloc(1, sizeof(*lane));

    lane->owner = ts;
    lane->endpoint = e;
    lane->credit_bytes = FLOOD_BYTES;
    lane->made_at_us = clock_mono_us();
    lane->used_at_us = lane->made_at_us;
    lane->multi = curl_multi_init();
    if (lane->multi == NULL)
        log_fatal("libcurl cannot start", "");
    lane_watch(lane);
    curl_multi_setopt(lane->multi, CURLMOPT_PIPELINING,
                      e != NULL ? CURLPIPE_MULTIPLEX : CURLPIPE_NOTHING);
    if (e != NULL) {
        curl_multi_setopt(lane->multi, CURLMOPT_MAXCONNECTS, (long)STREAMS_MAX);
        list_push_front(&e->lanes, &lane->node);
        ts->n_lanes++;
    }
    return lane;
}

// Connections that are kept, of all lanes together: twice as many as attempts may run.
// Those of HTTP/2 carry several attempts each: at most half of them are in lanes.
static void limit_common(struct transfers *ts, size_t n_in_lanes)
{
    size_t max_inflight = ts->config->max_inflight;
    size_t in_lanes = n_in_lanes < max_inflight ? n_in_lanes : max_inflight;
    long common_max = (long)(max_inflight * 2 - in_lanes);

    if (common_max == ts->common_max)
        return;
    ts->common_max = common_max;
    curl_multi_setopt(ts->common->multi, CURLMOPT_MAXCONNECTS, common_max);
}

void lanes_start(struct transfers *ts)
{
    ts->common = lane_new(ts, NULL);
    limit_common(ts, 0);
}

struct lane *lane_alone(struct transfers *ts)
{
    struct lane *lane = lane_new(ts, NULL);

    lane->is_alone = true;
    return lane;
}

// Whether the request may join those in flight.
static bool may_join(const struct lane *lane, const struct order *order)
{
    return lane->hook_no == order->hook_no && lane->is_proven &&
           !lane->is_slow && lane->n_inflight < STREAMS_MAX;
}

// Whether the request may have the lane, in which nothing is in flight. Connections
// that a client certificate may have opened stay with their hook.
static bool may_take(const struct lane *lane, const struct order *order)
{
    return lane->hook_no == order->hook_no ||
           (!lane->has_certificate && order->client_cert.n_bytes == 0);
}

// The fullest lane that the request may join, so that other lanes fall idle and are
// closed; else one in which nothing is in flight; else a new one.
static struct lane *endpoint_lane(struct transfers *ts, struct endpoint *e,
                                  const struct order *order)
{
    struct lane *fullest = NULL;
    struct lane *idle = NULL;

    for (struct lane *lane = LIST_FIRST(&e->lanes, struct lane, node);
         lane != NULL; lane = LIST_NEXT(lane, struct lane, node)) {
        if (lane->is_retired)
            continue;
        if (lane->n_inflight == 0) {
            if (may_take(lane, order) &&
                (idle == NULL || lane->hook_no == order->hook_no))
                idle = lane;
        } else if (may_join(lane, order) &&
                   (fullest == NULL ||
                    lane->n_inflight > fullest->n_inflight)) {
            fullest = lane;
        }
    }
    if (fullest != NULL)
        return fullest;
    if (idle != NULL)
        return idle;
    return ts->n_lanes < LANES_MAX ? lane_new(ts, e) : ts->common;
}

struct lane *lane_of(struct transfers *ts, const struct order *order,
                     long *http_version)
{
    bool is_https = str_starts(order->url, STR("https:"));
    struct endpoint *e;
    int64_t now_us;

    *http_version = CURL_HTTP_VERSION_1_1;
    if (!ts->offers_http2 || !is_https)
        return ts->common;
    *http_version = CURL_HTTP_VERSION_2TLS;
    if (ts->n_endpoints == 0)
        return ts->common;
    e = endpoint_find(ts, endpoint_name(order->url));
    if (e == NULL)
        return ts->common;
    now_us = clock_mono_us();
    e->used_at_us = now_us;
    if (now_us < e->http1_until_us) {
        *http_version = CURL_HTTP_VERSION_1_1;
        return ts->common;
    }
    return endpoint_lane(ts, e, order);
}

void lane_enter(struct lane *lane, const struct order *order)
{
    int64_t now_us;

    lane->n_inflight++;
    if (lane->endpoint == NULL)
        return;
    now_us = clock_mono_us();
    if (now_us - lane->used_at_us > STALE_US)
        lane->is_proven = false;
    lane->used_at_us = now_us;
    lane->hook_no = order->hook_no;
    lane->has_certificate |= order->client_cert.n_bytes > 0;
    lane->credit_bytes += RESPONSE_ROOM_BYTES;
    if (lane->credit_bytes > FLOOD_BYTES)
        lane->credit_bytes = FLOOD_BYTES;
}

// What the receiver's answer says about the endpoint.
static void learn(struct transfer *t)
{
    struct transfers *ts = t->owner;
    struct endpoint *e;

    if (t->http_version != CURL_HTTP_VERSION_2TLS)
        return;
    if (t->is_http2) {
        metrics_count(COUNTER_HTTP2_RESPONSES, 1);
        if (t->lane->endpoint == NULL)
            (void)endpoint_learn(ts, endpoint_name(str_of(t->copy.at)));
        return;
    }
    // The receiver wants HTTP/1.1, and libcurl obeyed; or it has no HTTP/2 any more.
    if (t->n_tries > 1 || t->lane->endpoint != NULL) {
        e = endpoint_learn(ts, endpoint_name(str_of(t->copy.at)));
        if (e != NULL)
            e->http1_until_us = clock_mono_us() + ENDPOINT_FORGET_US;
    }
}

void lane_leave(struct transfer *t, bool is_sound)
{
    struct lane *lane = t->lane;

    lane->n_inflight--;
    if (t->has_header_block)
        learn(t);
    if (lane->endpoint == NULL)
        return;
    lane->used_at_us = clock_mono_us();
    if (!is_sound)
        lane->is_retired = true;
}

void lane_answered(struct transfer *t)
{
    t->lane->is_proven = true;
}

// --- from time to time ---

static void free_lane(struct lane *lane)
{
    lane->owner->n_lanes--;
    list_remove(&lane->endpoint->lanes, &lane->node);
    lane_unwatch(lane);
}

static void look_at_lane(struct lane *lane, int64_t now_us)
{
    int64_t idle_us = now_us - lane->used_at_us;

    lane->is_slow = false; // is set again below
    if (now_us - lane->made_at_us > CONNECTION_LIFE_S * 1000000)
        lane->is_retired = true;
    if (lane->n_inflight == 0 &&
        (lane->is_retired || idle_us > CONNECTION_IDLE_S * 1000000))
        free_lane(lane);
}

static void look_at_endpoint(struct transfers *ts, struct endpoint *e,
                             int64_t now_us)
{
    struct lane *next;

    for (struct lane *lane = LIST_FIRST(&e->lanes, struct lane, node);
         lane != NULL; lane = next) {
        next = LIST_NEXT(lane, struct lane, node);
        look_at_lane(lane, now_us);
    }
    if (e->lanes.first == NULL && now_us > e->http1_until_us &&
        now_us - e->used_at_us > ENDPOINT_FORGET_US) {
        hash_map_remove(&ts->endpoints, &e->node);
        ts->n_endpoints--;
        free(e);
    }
}

// Connections in all lanes besides the common one; and the lane that was not used for the
// longest of those in which nothing is in flight, or NULL.
static size_t count_connections(const struct transfers *ts,
                                struct lane **idlest)
{
    size_t n = 0;

    *idlest = NULL;
    for (struct hash_node *h = hash_map_next(&ts->endpoints, NULL); h != NULL;
         h = hash_map_next(&ts->endpoints, h)) {
        const struct endpoint *e = HASH_OBJECT(h, struct endpoint, node);

        for (struct lane *lane = LIST_FIRST(&e->lanes, struct lane, node);
             lane != NULL; lane = LIST_NEXT(lane, struct lane, node)) {
            n += lane->n_connections;
            if (lane->n_inflight == 0 &&
                (*idlest == NULL || lane->used_at_us < (*idlest)->used_at_us))
                *idlest = lane;
        }
    }
    return n;
}

// Frees idle lanes until the others keep no more connections than they may.
static void limit_lanes(struct transfers *ts)
{
    struct lane *idlest;
    size_t n;

    while ((n = count_connections(ts, &idlest)) > ts->config->max_inflight &&
           idlest != NULL)
        free_lane(idlest);
    limit_common(ts, n);
}

void lanes_look(struct transfers *ts, int64_t now_us)
{
    int64_t slow_us = now_us - SLOW_US;
    struct hash_node *next;

    for (struct hash_node *n = hash_map_next(&ts->endpoints, NULL); n != NULL;
         n = next) {
        next = hash_map_next(&ts->endpoints, n);
        look_at_endpoint(ts, HASH_OBJECT(n, struct endpoint, node), now_us);
    }
    for (struct transfer *t = LIST_FIRST(&ts->inflight, struct transfer, node);
         t != NULL; t = LIST_NEXT(t, struct transfer, node)) {
        if (t->begun_at_us < slow_us)
            t->lane->is_slow = true;
    }
    limit_lanes(ts);
}
