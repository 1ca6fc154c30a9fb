// SPDX-License-Identifier: MIT
// attempt_rows.c — rows of the history: of attempts, and of deliveries that end without
// one.
//
// Each delivery that was matched ends in a row of the history: that of the request that
// succeeded or was the last one, or a row without a request that tells why it ended. So
// the history always has the outcome of a delivery, and a resend or a replay can find
// it.
//
// The event's fields in such a row are read from the event log, or, if the event is
// gone, from the newest attempt of the delivery. If both are gone, no row is added:
// there is nothing left to tell.

#include "engine/dispatcher/record/attempt_rows.h"

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/log/log.h"
#include "common/messages/send_order.h"
#include "common/model/delivery.h"
#include "common/model/event.h"
#include "engine/delivery/request_headers.h"
#include "engine/dispatcher/loop/dispatcher.h"
#include "engine/dispatcher/record/storage.h"
#include "engine/dispatcher/schedule/delivery_table.h"
#include "engine/dispatcher/schedule/hook_state.h"
#include "engine/dispatcher/schedule/hook_table.h"
#include "engine/dispatcher/schedule/in_flight.h"
#include "engine/dispatcher/schedule/schedule.h"
#include "queue/queue.h"

// --- an attempt ---

// When there was no response, the history has this text in place of a body, as Pulumi
// Cloud does.
static struct str body_of(const struct outcome *o)
{
    return o->response_code == 0 && o->response_body.n_bytes == 0
               ? STR("URL error with webhook")
               : o->response_body;
}

// Writes the request's headers into `d->headers` as the history keeps them: values that
// are credentials are masked, and all is sealed if the hook has headers of its own.
static void put_request_headers(struct dispatcher *d, const struct in_flight *s)
{
    const struct delivery *dv = in_flight_delivery(s);
    const struct attempt_notes *notes = in_flight_notes(s);
    struct buf text;

    buf_reset(&d->headers);
    if (!notes->marks.has_custom) {
        request_headers_text(buf_str(&notes->headers), notes->marks,
                             &d->headers);
        return;
    }
    buf_init(&text, 0);
    request_headers_text(buf_str(&notes->headers), notes->marks, &text);
    headers_seal(d->hooks, hook_state_id(delivery_hook(dv)),
                 delivery_position(dv), buf_str(&text), &d->headers);
    buf_clear(&text);
}

void attempt_write(struct dispatcher *d, const struct in_flight *s,
                   const struct outcome *o, struct attempt *attempt)
{
    const struct delivery *dv = in_flight_delivery(s);
    const struct attempt_notes *notes = in_flight_notes(s);

    attempt->hook_id = hook_state_id(delivery_hook(dv));
    attempt->org_id = notes->org_id;
    attempt->position = delivery_position(dv);
    attempt->event_id = notes->event_id;
    attempt->kind = buf_str(&notes->kind);
    attempt->accepted_at_us = notes->accepted_at_us;
    attempt->started_at_us = o->started_at_us;
    attempt->attempt = delivery_noted(dv)->n_attempts;
    attempt->response_code = o->response_code;
    attempt->truncated = o->truncated;
    attempt->timing = o->timing;
    attempt->timing.queue_us = delivery_noted(dv)->queue_us;
    attempt->request_url = buf_str(&notes->url);
    if (!notes->is_erased) {
        put_request_headers(d, s);
        attempt->request_headers = buf_str(&d->headers);
        attempt->response_headers = o->response_headers;
        attempt->response_body = body_of(o);
        attempt->payload = buf_str(&notes->body);
        storage_shorten(d, attempt);
    }
    if (notes->sealed_for.n_bytes > 0 && !notes->is_erased) {
        attempt_seal(d->payload_keys, buf_str(&notes->sealed_for), attempt,
                     &d->sealed);
    }
    batch_attempt(d->open_batch, attempt);
}

// --- an end without a request ---

struct ending {
    struct dispatcher *d;
    const struct ended *ended;
    bool is_written;
};

static void put(struct ending *e, struct attempt *row)
{
    row->hook_id = e->ended->hook_id;
    row->position = e->ended->position;
    row->started_at_us = clock_now_us();
    row->attempt = e->ended->n_attempts;
    row->state = e->ended->state;
    row->error_message = e->ended->reason;
    row->timing.queue_us = e->ended->queue_us;
    batch_attempt(e->d->open_batch, row);
    e->is_written = true;
}

// The event read may be of another organization: pages of a damaged log may have
// changed places.
static bool on_event(void *data, const struct event *event)
{
    const struct ending *e = data;
    const struct hook_state *f = hook_find(&e->d->schedule, e->ended->hook_id);
    struct attempt row = { .event_id = event->id,
                           .kind = event->kind,
                           .accepted_at_us = event->accepted_at_us };

    if (f != NULL && hook_record(f) != NULL) {
        row.org_id = hook_record(f)->org_id;
        if (hook_scope_holds(&hook_record(f)->scope, event))
            put(data, &row);
    } else if (org_number(e->d->hooks, event->dialect, event->org,
                          &row.org_id) == OK) {
        put(data, &row);
    }
    return false;
}

static bool on_newest(void *data, uint64_t no, const struct attempt *newest)
{
    struct attempt row = { .org_id = newest->org_id,
                           .event_id = newest->event_id,
                           .kind = newest->kind,
                           .accepted_at_us = newest->accepted_at_us };

    (void)no;
    put(data, &row);
    return false;
}

void end_write(struct dispatcher *d, const struct ended *ended)
{
    struct ending e = { .d = d, .ended = ended };
    struct history_query query = { .owner_no = ended->hook_id,
                                   .event = &ended->position,
                                   .max_rows = 1 };
    enum err err = event_view_get(d->events, ended->position, on_event, &e);

    if (!e.is_written)
        err = history_scan(d->history, &query, on_newest, &e);
    if (!e.is_written) {
        log_warn("the end of a delivery cannot be added to the history",
                 "%s reason=%s", hook_log_no(ended->hook_id),
                 log_quote(str_of(err_str(err))));
    }
}
