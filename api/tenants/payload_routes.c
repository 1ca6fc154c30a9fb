// SPDX-License-Identifier: MIT
// payload_routes.c — handlers of the routes that order the erasure of an event's payload, and
// that tell how far it is.
//
// An order is given once: an event whose payload is erased, or that has an order, is only
// told about. So a client may repeat its request until it is answered with 200.

#include <string.h>

#include "api/core/api_request.h"
#include "api/core/audit.h"
#include "api/tenants/handlers.h"
#include "common/base/clock.h"

struct payload_request {
    struct hook_scope scope;
    struct payload_order
        order;     // what to order: event_id and, if is_there, position
    bool is_there; // the log has the event
    bool is_erased;
    int64_t erased_at_ms; // UTC epoch; 0: not known
    bool has_order;
    struct payload_order given; // if has_order
};

// --- how far it is ---

// Notes the event only if it is the wanted one: where pages of the log were exchanged,
// another organization's event may be at this place.
static bool on_event(void *data, const struct event *event)
{
    struct payload_request *p = data;

    if (id_eq(&event->id, &p->order.event_id) &&
        event->dialect == p->scope.dialect &&
        str_eq(event->org, p->scope.org)) {
        p->is_there = true;
        p->is_erased = event_is_erased(event);
        p->erased_at_ms = event->erased_at_ms;
    }
    return false;
}

static bool on_order(void *data, const struct payload_order *order)
{
    struct payload_request *p = data;

    if (!id_eq(&order->event_id, &p->order.event_id))
        return true;
    p->has_order = true;
    p->given = *order;
    return false;
}

// Reads what is stored now. False: the request has been answered.
static bool read_state(struct api_request *rq)
{
    struct payload_request *p = rq->data;
    struct api *api = rq->api;
    uint64_t org_no;
    enum err err;

    p->is_there = false;
    p->is_erased = false;
    p->erased_at_ms = 0;
    p->has_order = false;
    if (!request_org_no(rq, &p->scope, &org_no))
        return false;
    err = event_view_find(api->events, p->scope.dialect, p->scope.org,
                          &p->order.event_id, &p->order.position);
    if (err == OK) {
        err = event_view_get(api->events, p->order.position, on_event, p);
    }
    if (err == ERR_NOTFOUND)
        err = OK;
    if (err == OK && org_no != 0)
        err = payload_orders_each(api->hooks, org_no, on_order, p);
    if (err != OK)
        request_fail_store(rq, err);
    return err == OK;
}

// Whether the order is about the event that the log has now. An event that retention has
// removed may still have an order, and its id may have come again.
static bool is_order_of_event(const struct payload_request *p)
{
    return p->has_order &&
           position_cmp(p->given.position, p->order.position) == 0;
}

static void put_time(struct json_writer *w, const char *name, int64_t at_ms)
{
    if (at_ms != 0) {
        json_put_i64(w, name, at_ms);
    } else {
        json_put_null(w, name);
    }
}

static void answer(struct api_request *rq, unsigned status)
{
    const struct payload_request *p = rq->data;
    char id[ID_TEXT_BYTES + 1];
    struct buf body;
    struct json_writer w = json_writer(&body);

    buf_init(&body, 0);
    id_format(&p->order.event_id, id);
    json_open_object(&w, NULL);
    json_put_text(&w, "event", id);
    json_put_bool(&w, "payloadErased", p->is_erased || !p->is_there);
    put_time(&w, "orderedAt", p->has_order ? p->given.at_ms : 0);
    put_time(&w, "erasedAt", p->erased_at_ms);
    json_put_bool(&w, "done", p->is_erased && !p->has_order);
    json_close(&w);
    request_answer(rq, status, buf_str(&body));
    buf_clear(&body);
}

// Reads the path. False: the request has been answered.
static bool read_path(struct api_request *rq)
{
    struct payload_request *p = arena_take(&rq->arena, sizeof(*p));

    memset(p, 0, sizeof(*p));
    rq->data = p;
    if (!request_org(rq, &p->scope))
        return false;
    if (id_parse(rq->match.params[PARAM_EVENT], &p->order.event_id) == OK)
        return true;
    request_fail_missing(rq, PARAM_EVENT);
    return false;
}

void payloads_get(struct api_request *rq)
{
    const struct payload_request *p;

    if (!read_path(rq) || !read_state(rq))
        return;
    p = rq->data;
    if (p->is_there || p->has_order) {
        answer(rq, 200);
    } else {
        request_fail_missing(rq, PARAM_EVENT);
    }
}

// --- erasing ---

static void on_ordered(struct api_request *rq,
                       const struct catalog_result *result)
{
    const struct payload_request *p = rq->data;
    char id[ID_TEXT_BYTES + 1];

    if (result->err == ERR_TOOBIG) {
        http_fail(rq->http, 429, STR("Retry-After: 1\r\n"),
                  "the payloads of %d events of this organization are being "
                  "erased, which is the most at a time; try again",
                  PAYLOAD_ORDERS_MAX);
        return;
    }
    if (result->err != OK) {
        request_fail_store(rq, result->err);
        return;
    }
    id_format(&p->order.event_id, id);
    audit_of(rq, "erasure of an event's payload ordered", &p->scope, 0,
             "event=%s", id);
    api_hint(rq->api);
    if (read_state(rq))
        answer(rq, 202);
}

static void begin_erase(struct api_request *rq)
{
    struct payload_request *p = rq->data;
    struct catalog_caller caller;

    if (!read_state(rq))
        return;
    if (p->has_order && p->is_there && !is_order_of_event(p)) {
        http_fail(rq->http, 409, STR("Retry-After: 1\r\n"),
                  "the payload of an earlier event with this id is being "
                  "erased; try again");
    } else if (p->has_order) {
        answer(rq, 202);
    } else if (!p->is_there) {
        request_fail_missing(rq, PARAM_EVENT);
    } else if (p->is_erased) {
        answer(rq, 200);
    } else {
        p->order.at_ms = clock_now_ms();
        caller = change_caller(rq, on_ordered);
        payload_order_put(rq->api->hooks, p->scope.dialect, p->scope.org,
                          &p->order, &caller);
    }
}

void payloads_erase(struct api_request *rq)
{
    if (read_path(rq))
        request_change(rq, begin_erase, CHANGE_ALONE);
}
