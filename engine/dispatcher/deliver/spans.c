// SPDX-License-Identifier: MIT
// spans.c — spans of deliveries, for the exporter of traces.
//
// Spans of an event share its trace (common/model/trace.h). The span of the queue and those
// of the attempts are children of the span of its intake, whose id is known without it.

#include "engine/dispatcher/deliver/spans.h"

#include <stdio.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/mem.h"
#include "common/encoding/id.h"
#include "common/encoding/json_writer.h"
#include "common/encoding/url.h"
#include "common/messages/span.h"
#include "common/model/event_kinds.h"
#include "common/model/hook.h"
#include "common/model/url_mask.h"
#include "common/process/channel.h"
#include "common/process/role.h"
#include "engine/dispatcher/schedule/delivery_table.h"
#include "engine/dispatcher/schedule/hook_state.h"
#include "engine/dispatcher/schedule/in_flight.h"

struct spans {
    struct channel *exporter; // NULL: there is none at present
};

void spans_init(struct dispatcher *d)
{
    d->spans = xcalloc(1, sizeof(*d->spans));
}

static void on_frame(void *data, struct str frame)
{
    struct dispatcher *d = data;

    (void)frame;
    channel_refuse(d->spans->exporter); // it has nothing to say
}

static void on_closed(void *data)
{
    struct dispatcher *d = data;

    d->spans->exporter = NULL;
    role_link_lost(d->role, ROLE_EXPORTER, 0);
}

void spans_on_link(struct dispatcher *d, int fd)
{
    const struct channel_handlers handlers = { .on_frame = on_frame,
                                               .on_closed = on_closed,
                                               .data = d };

    if (d->spans->exporter != NULL)
        channel_close(d->spans->exporter);
    d->spans->exporter =
        role_open_channel(d->role, ROLE_EXPORTER, fd, &handlers);
}

bool spans_has_one(const struct dispatcher *d, const struct delivery *dv)
{
    // A ping is no event: nobody took it in.
    return spans_are_wanted(d->config) &&
           position_is_stored(delivery_position(dv));
}

void spans_note(struct dispatcher *d, struct in_flight *a,
                const struct event *event)
{
    struct attempt_notes *notes = in_flight_notes(a);
    const struct delivery *dv = in_flight_delivery(a);
    uint64_t hook = hook_state_id(delivery_hook(dv));
    struct span_notes *s = &notes->span;
    struct trace trace;

    s->is_wanted = false;
    if (!spans_has_one(d, dv))
        return;
    trace_of_event(event, (unsigned)d->config->otlp_sample, &trace);
    s->is_wanted = trace.is_sampled;
    memcpy(s->trace_id, trace.trace_id, TRACE_ID_BYTES);
    trace_span_id(event, TRACE_INTAKE, 0, 0, s->intake_id);
    trace_span_id(event, TRACE_QUEUE, hook, 0, s->queue_id);
    trace_span_id(event, TRACE_ATTEMPT, hook,
                  (int64_t)delivery_noted(dv)->n_attempts + 1, s->attempt_id);
    buf_reset(&notes->trace_state);
    buf_put_str(&notes->trace_state, trace.state);
}

// The engine's own events were taken in from no producer.
static const uint8_t *parent_of(const struct attempt_notes *notes)
{
    return kind_is_own(buf_str(&notes->kind)) ? NULL : notes->span.intake_id;
}

static struct trace trace_of(const struct attempt_notes *notes)
{
    struct trace trace = { .is_sampled = true,
                           .state = buf_str(&notes->trace_state) };

    memcpy(trace.trace_id, notes->span.trace_id, TRACE_ID_BYTES);
    return trace;
}

static void put_message(struct json_writer *w, const struct in_flight *a)
{
    const struct attempt_notes *notes = in_flight_notes(a);
    const struct hook *hook = hook_record(delivery_hook(in_flight_delivery(a)));
    char id[ID_TEXT_BYTES + 1];

    id_format(&notes->event_id, id);
    span_put_text(w, "messaging.system", "posthorn");
    span_put_text(w, "messaging.message.id", id);
    span_put_str(w, "posthorn.event.kind", buf_str(&notes->kind));
    if (hook == NULL)
        return; // deleted meanwhile
    span_put_str(w, "posthorn.organization", hook->scope.org);
    span_put_str(w, "posthorn.hook", hook->name);
}

static void send_queue_span(struct dispatcher *d, const struct in_flight *a,
                            const struct outcome *o)
{
    const struct attempt_notes *notes = in_flight_notes(a);
    struct trace trace = trace_of(notes);
    struct span span = { .trace = &trace,
                         .parent_id = parent_of(notes),
                         .name = "queue",
                         .kind = SPAN_INTERNAL,
                         .start_us = notes->accepted_at_us,
                         .end_us = o->started_at_us };
    struct buf json;
    struct json_writer w = json_writer(&json);

    buf_init(&json, 0);
    memcpy(span.id, notes->span.queue_id, SPAN_ID_BYTES);
    span_begin(&w, &span);
    put_message(&w, a);
    span_begin_events(&w);
    span_end(&w, NULL);
    span_send(d->spans->exporter, buf_str(&json));
    buf_clear(&json);
}

static void put_url(struct json_writer *w, const struct hook *hook,
                    struct str text)
{
    struct buf full;
    struct url url;

    buf_init(&full, 0);
    url_put_masked(hook != NULL ? hook->format : FORMAT_SLACK, text, &full);
    span_put_str(w, "url.full", buf_str(&full));
    buf_clear(&full);
    if (url_parse(text, &url, NULL) == OK) {
        span_put_text(w, "server.address", url.host);
        span_put_int(w, "server.port", url.port);
    }
}

// Times of an attempt count from its start; 0: that did not happen.
static void put_phases(struct json_writer *w, const struct outcome *o)
{
    const struct timing *t = &o->timing;
    const struct {
        const char *name;
        int64_t after_us;
    } phases[] = {
        { "dns resolved", t->reused_connection ? 0 : t->dns_us },
        { "connected", t->reused_connection ? 0 : t->connect_us },
        { "tls established", t->reused_connection ? 0 : t->tls_us },
        { "first byte", t->first_byte_us },
    };

    for (size_t i = 0; i < sizeof(phases) / sizeof(phases[0]); i++) {
        if (phases[i].after_us > 0) {
            span_put_event(w, phases[i].name,
                           o->started_at_us + phases[i].after_us);
        }
    }
}

static void put_attempt(struct json_writer *w, const struct in_flight *a,
                        const struct outcome *o, enum error_class error,
                        uint32_t n)
{
    char code[8];

    span_put_text(w, "http.request.method", "POST");
    put_url(w, hook_record(delivery_hook(in_flight_delivery(a))),
            buf_str(&in_flight_notes(a)->url));
    if (o->response_code > 0)
        span_put_int(w, "http.response.status_code", o->response_code);
    if (o->response_code >= 400) {
        snprintf(code, sizeof(code), "%u", o->response_code);
        span_put_text(w, "error.type", code);
    } else if (error != ERROR_NONE) {
        span_put_text(w, "error.type", error_name(error));
    }
    if (n > 1)
        span_put_int(w, "http.request.resend_count", n - 1);
    span_put_bool(w, "posthorn.connection.reused", o->timing.reused_connection);
    span_put_text(w, "messaging.operation.name", "deliver");
    put_message(w, a);
}

void spans_of_attempt(struct dispatcher *d, const struct in_flight *a,
                      const struct outcome *o, enum error_class error,
                      uint32_t n)
{
    const struct attempt_notes *notes = in_flight_notes(a);
    struct trace trace;
    struct span span;
    struct buf json;
    struct json_writer w = json_writer(&json);

    if (!notes->span.is_wanted)
        return;
    if (n == 1)
        send_queue_span(d, a, o);
    trace = trace_of(notes);
    span = (struct span){ .trace = &trace,
                          .parent_id = parent_of(notes),
                          .name = "POST",
                          .kind = SPAN_CLIENT,
                          .start_us = o->started_at_us,
                          .end_us = o->started_at_us + o->timing.total_us };
    buf_init(&json, 0);
    memcpy(span.id, notes->span.attempt_id, SPAN_ID_BYTES);
    span_begin(&w, &span);
    put_attempt(&w, a, o, error, n);
    span_begin_events(&w);
    put_phases(&w, o);
    span_end(&w, error != ERROR_NONE ? error_name(error) : NULL);
    span_send(d->spans->exporter, buf_str(&json));
    buf_clear(&json);
}
