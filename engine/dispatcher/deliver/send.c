// SPDX-License-Identifier: MIT
// send.c — makes attempts: makes a request of a delivery and gives it to a sender.
//
// Happy path: the event is read, the attempt's notes keep what the history will need, the
// order leaves. The body is the event's payload, in the log, borrowed while
// the order is written.
//
// If it fails: the attempt ends at once, for a reason that the history keeps. An event
// that cannot be read is not sent, nor is one outside the hook's scope: pages of a
// damaged log may have changed places. Its delivery is cancelled.

#include "engine/dispatcher/deliver/send.h"

#include <inttypes.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/codec.h"
#include "common/log/log.h"
#include "common/messages/send_order.h"
#include "common/model/event.h"
#include "common/model/hook.h"
#include "common/process/blame.h"
#include "common/process/channel.h"
#include "engine/delivery/request_body.h"
#include "engine/delivery/request_headers.h"
#include "engine/delivery/signers.h"
#include "engine/dispatcher/deliver/aside.h"
#include "engine/dispatcher/deliver/crash.h"
#include "engine/dispatcher/deliver/outcome.h"
#include "engine/dispatcher/deliver/spans.h"
#include "engine/dispatcher/loop/core.h"
#include "engine/dispatcher/loop/dispatcher.h"
#include "engine/dispatcher/schedule/delivery_table.h"
#include "engine/dispatcher/schedule/hook_state.h"
#include "engine/dispatcher/schedule/in_flight.h"
#include "engine/dispatcher/schedule/schedule.h"
#include "engine/dispatcher/schedule/step.h"
#include "queue/queue.h"

// Why an attempt, which counts as in flight, was not given to its sender. An empty
// reason: it was given. If the event cannot be read, there is nothing that the history
// could keep.
struct unsent {
    struct str reason;
    bool is_unreadable;
};

// --- requests ---

static void set_text(struct buf *b, struct str text)
{
    buf_reset(b);
    buf_put_str(b, text);
}

// Sends the order. The authorization is the engine's own secret: it goes to the
// receiver, and not into the history.
static enum err put_order(struct dispatcher *d, const struct in_flight *a,
                          const struct rendered *rendered)
{
    struct channel *channel = d->senders[in_flight_sender(a)];
    const struct hook *hook = hook_record(delivery_hook(in_flight_delivery(a)));
    int64_t timeout_ms = hook->policy.timeout_ms > 0
                             ? hook->policy.timeout_ms
                             : d->config->request_timeout_ms;
    struct order order = {
        .no = in_flight_tag(&d->schedule, a),
        .url = rendered->url,
        .headers = buf_str(&in_flight_notes(a)->headers),
        .body = rendered->body,
        .client_cert = hook->client_cert,
        .client_key = hook->client_key,
        .hook_no = hook->no,
        .method = rendered->is_get ? ORDER_GET : ORDER_POST,
        .is_alone =
            delivery_notes(in_flight_delivery(a))->n_crashes >= BLAME_ALONE,
        .connect_timeout_ms = d->config->connect_timeout_ms < timeout_ms
                                  ? d->config->connect_timeout_ms
                                  : timeout_ms,
        .request_timeout_ms = timeout_ms,
    };

    if (rendered->authorization.n_bytes > 0) {
        buf_reset(&d->headers);
        buf_put_str(&d->headers, order.headers);
        buf_puts(&d->headers, "Authorization: ");
        buf_put_str(&d->headers, rendered->authorization);
        buf_putc(&d->headers, '\0');
        order.headers = buf_str(&d->headers);
    }
    order_pack(channel_begin(channel), &order);
    return channel_end(channel);
}

static struct unsent request_event(struct dispatcher *d, struct in_flight *a,
                                   const struct event *event)
{
    struct attempt_notes *notes = in_flight_notes(a);
    struct delivery *dv = in_flight_delivery(a);
    const struct hook *hook = hook_record(delivery_hook(dv));
    struct rendered rendered;
    enum err err = render(d->renderer, hook, event, &rendered);

    if (delivery_notes(dv)->has_body)
        rendered.body = event->payload;

    notes->is_erased = false;
    notes->accepted_at_us = event->accepted_at_us;
    notes->event_id = event->id;
    delivery_notes(dv)->payload_bytes = (uint32_t)event_stored_bytes(event);
    notes->org_id = hook->org_id;
    set_text(&notes->kind, event->kind);
    set_text(&notes->sealed_for,
             event_is_sealed(event) ? event->org : STR_EMPTY);
    set_text(&notes->url, rendered.url);
    buf_reset(&notes->body);
    if (rendered.is_own_body ||
        position_cmp(delivery_position(dv), position_start) == 0)
        buf_put_str(&notes->body, rendered.body);
    buf_reset(&notes->headers);
    request_headers(
        hook, event, rendered.body,
        (struct request_of){ .at_ms = clock_now_ms(),
                             .n = (int64_t)delivery_noted(dv)->n_attempts + 1,
                             .sample_percent = (unsigned)d->config->otlp_sample,
                             .has_span = spans_has_one(d, dv),
                             .signers = d->signers,
                             .origin = str_of(d->config->webhook_origin) },
        &notes->headers);
    spans_note(d, a, event);
    notes->marks = request_marks(hook, buf_str(&notes->headers));
    if (err != OK) {
        return (struct unsent){ .reason = STR("the setting deployments_url is "
                                              "empty") };
    }
    if (!signers_have_key(d->signers, hook)) {
        return (struct unsent){ .reason = STR("the signing keys of the "
                                              "organization cannot be read") };
    }
    if (put_order(d, a, &rendered) != OK) {
        return (struct unsent){
            .reason = STR("the request is larger than a sender takes")
        };
    }
    return (struct unsent){ 0 };
}

struct sending {
    struct dispatcher *d;
    struct in_flight *a;
    struct unsent unsent;
    bool is_foreign; // the event read is outside the hook's scope
    bool is_locked;  // its payload's key is not there
    bool is_erased;  // its payload was erased
};

// Notes what the history needs, without headers and body: no request is made.
static void note_no_request(struct in_flight *a, const struct hook *hook,
                            const struct event *event)
{
    struct attempt_notes *notes = in_flight_notes(a);

    notes->is_erased = false;
    notes->accepted_at_us = event->accepted_at_us;
    notes->event_id = event->id;
    notes->org_id = hook->org_id;
    notes->span.is_wanted = false;
    set_text(&notes->kind, event->kind);
    set_text(&notes->url, hook->url);
    buf_reset(&notes->sealed_for); // nothing of the payload is kept
    buf_reset(&notes->headers);
    buf_reset(&notes->body);
}

static bool on_event_to_send(void *data, const struct event *event)
{
    struct sending *sending = data;
    const struct hook *hook =
        hook_record(delivery_hook(in_flight_delivery(sending->a)));

    sending->is_foreign = !hook_scope_holds(&hook->scope, event);
    if (sending->is_foreign)
        return false;
    if (event->may_open) { // it is tried again, as if the receiver had failed
        note_no_request(sending->a, hook, event);
        sending->unsent = (struct unsent){
            .reason = STR("the key that the event's payload is encrypted with "
                          "cannot be read")
        };
        return false;
    }
    sending->is_locked = event->is_locked;
    sending->is_erased = event_is_erased(event);
    if (!sending->is_locked && !sending->is_erased)
        sending->unsent = request_event(sending->d, sending->a, event);
    return false;
}

static bool on_event_aside(void *data, const struct event *event)
{
    struct sending *sending = data;
    const struct hook *hook =
        hook_record(delivery_hook(in_flight_delivery(sending->a)));

    sending->is_foreign = !hook_scope_holds(&hook->scope, event);
    if (sending->is_foreign)
        return false;
    note_no_request(sending->a, hook, event);
    sending->unsent = (struct unsent){
        .reason = STR(
            "the dispatcher died three times with this delivery, so it is set "
            "aside")
    };
    return false;
}

static struct unsent with_event(struct dispatcher *d, struct in_flight *a,
                                event_visit visit)
{
    struct sending sending = { .d = d, .a = a };
    const struct delivery *dv = in_flight_delivery(a);
    enum err err =
        event_view_get(d->events, delivery_position(dv), visit, &sending);

    if (sending.is_foreign)
        err = ERR_CORRUPT; // pages of the event log have changed places
    if (err == OK && sending.is_locked) {
        return (struct unsent){
            .reason = STR("the key that the event's payload is encrypted with "
                          "is not there"),
            .is_unreadable = true
        };
    }
    if (err == OK && sending.is_erased) {
        return (struct unsent){ .reason = STR("the event's payload was erased"),
                                .is_unreadable = true };
    }
    if (err == OK)
        return sending.unsent;
    log_warn(
        sending.is_foreign
            ? "an event of somebody else lies where this hook's was; it is "
              "not sent, its delivery is cancelled; run posthorn verify"
            : "event cannot be read, its delivery is cancelled",
        "%s reason=%s",
        hook_log_or_no(hook_record(delivery_hook(dv)),
                       hook_state_id(delivery_hook(dv))),
        log_quote(str_of(err_str(err))));
    batch_count(d->open_batch, COUNT_DAMAGED, 1);
    return (struct unsent){ .reason = STR("the event cannot be read"),
                            .is_unreadable = true };
}

// --- attempts ---

static void end_unsent(struct dispatcher *d, struct in_flight *a,
                       const struct unsent *unsent)
{
    if (unsent->is_unreadable) {
        outcome_of_unreadable(d, a, unsent->reason);
    } else if (unsent->reason.n_bytes > 0) {
        outcome_of_unsent(d, a, unsent->reason);
    }
}

void send_attempt(struct dispatcher *d, struct in_flight *a)
{
    struct blamed before = aside_note(in_flight_delivery(a));
    struct unsent unsent = with_event(d, a, on_event_to_send);

    end_unsent(d, a, &unsent);
    blame_end(before);
}

static struct in_flight *begin(struct dispatcher *d, struct delivery *dv,
                               bool is_paced)
{
    const struct schedule_event event = { .kind = SCHEDULE_BEGIN,
                                          .delivery = dv,
                                          .is_paced = is_paced };
    struct effects out;

    core_step(d, &event, &out);
    return out.at[0].attempt;
}

void send_now(struct dispatcher *d, struct delivery *dv, bool is_paced)
{
    send_attempt(d, begin(d, dv, is_paced));
}

void send_event_now(struct dispatcher *d, struct delivery *dv,
                    const struct event *event)
{
    struct blamed before = aside_note(dv);
    struct in_flight *a = begin(d, dv, false);
    struct unsent unsent = request_event(d, a, event);

    end_unsent(d, a, &unsent);
    blame_end(before);
}

void send_set_aside(struct dispatcher *d, struct in_flight *a)
{
    const struct delivery *dv = in_flight_delivery(a);
    struct blamed before = aside_note(dv);
    struct unsent unsent;

    log_warn("the dispatcher died three times with a delivery: it is set aside",
             "%s position=%" PRIu64,
             hook_log_or_no(hook_record(delivery_hook(dv)),
                            hook_state_id(delivery_hook(dv))),
             get_be64(delivery_position(dv).bytes));
    unsent = with_event(d, a, on_event_aside);
    if (unsent.is_unreadable) {
        outcome_of_unreadable(d, a, unsent.reason);
    } else {
        crash_set_aside(d, a, unsent.reason);
    }
    blame_end(before);
}
