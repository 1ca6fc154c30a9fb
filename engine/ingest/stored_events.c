// SPDX-License-Identifier: MIT
// stored_events.c — what is counted and traced of events that were stored.

#include "engine/ingest/stored_events.h"

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/encoding/json_writer.h"
#include "common/messages/span.h"
#include "common/model/trace.h"
#include "common/process/channel.h"
#include "common/process/metrics.h"

static void on_frame(void *data, struct str frame)
{
    struct stored_events *s = data;

    (void)frame;
    channel_refuse(s->exporter); // it has nothing to say
}

static void on_closed(void *data)
{
    struct stored_events *s = data;

    s->exporter = NULL;
    role_link_lost(s->role, ROLE_EXPORTER, 0);
}

bool stored_events_on_link(struct stored_events *s, enum role_kind kind, int fd)
{
    const struct channel_handlers handlers = { .on_frame = on_frame,
                                               .on_closed = on_closed,
                                               .data = s };

    if (kind != ROLE_EXPORTER)
        return false;
    if (s->exporter != NULL)
        channel_close(s->exporter);
    s->exporter = role_open_channel(s->role, ROLE_EXPORTER, fd, &handlers);
    return true;
}

// --- the trace context ---

// Several headers of the name are one list (RFC 9110, 5.3). Returns their number.
static size_t join_headers(const struct http_request *r, const char *wanted,
                           struct buf *out)
{
    struct str name, value;
    size_t n = 0;

    for (size_t i = 0; http_header_at(r, i, &name, &value); i++) {
        if (!str_eq_any_case(name, str_of(wanted)))
            continue;
        if (n++ > 0)
            buf_putc(out, ',');
        buf_put_str(out, value);
    }
    return n;
}

uint64_t stored_events_note(const struct http_request *r, struct arena *arena,
                            struct append *events)
{
    struct buf parent, state, text;
    struct str context;

    if (!http_has_header(r, "traceparent"))
        return 0;
    buf_init(&parent, 0);
    buf_init(&state, 0);
    buf_init(&text, 0);
    if (join_headers(r, "traceparent", &parent) == 1) {
        (void)join_headers(r, "tracestate", &state);
        trace_put_context(buf_str(&parent), buf_str(&state), &text);
    }
    context = arena_copy(arena, buf_str(&text));
    for (size_t i = 0; i < events->n_events; i++)
        events->events[i].event.trace = context;
    buf_clear(&text);
    buf_clear(&state);
    buf_clear(&parent);
    return (uint64_t)events->n_events * context.n_bytes;
}

// --- spans ---

static void put_span(const struct event *event, const struct trace *trace,
                     size_t n_of_batch, int64_t began_us, struct buf *out)
{
    struct json_writer w = json_writer(out);
    struct span span = { .trace = trace,
                         .parent_id =
                             trace->has_parent ? trace->parent_id : NULL,
                         .name = event->dialect == DIALECT_PULUMI
                                     ? "POST /api/orgs/{org}/events"
                                     : "POST /organizations/{organizationId}/"
                                       "projects/{projectId}/events",
                         .kind = SPAN_SERVER,
                         .start_us = began_us,
                         .end_us = clock_now_us() };
    char id[ID_TEXT_BYTES + 1];

    id_format(&event->id, id);
    trace_span_id(event, TRACE_INTAKE, 0, 0, span.id);
    span_begin(&w, &span);
    span_put_text(&w, "http.request.method", "POST");
    span_put_text(&w, "http.route", span.name + sizeof("POST"));
    span_put_int(&w, "http.response.status_code", 202);
    span_put_text(&w, "messaging.system", "posthorn");
    span_put_text(&w, "messaging.operation.name", "accept");
    span_put_text(&w, "messaging.message.id", id);
    if (n_of_batch > 0) {
        span_put_int(&w, "messaging.batch.message_count", (int64_t)n_of_batch);
    }
    span_put_str(&w, "posthorn.organization", event->org);
    span_put_str(&w, "posthorn.event.kind", event->kind);
    span_begin_events(&w);
    span_end(&w, NULL);
}

static void send_span(const struct stored_events *s, const struct event *event,
                      size_t n_of_batch, int64_t began_us)
{
    struct trace trace;
    struct buf json;

    if (!span_has_room(s->exporter))
        return;
    trace_of_event(event, (unsigned)s->config->otlp_sample, &trace);
    if (!trace.is_sampled)
        return;
    buf_init(&json, 0);
    put_span(event, &trace, n_of_batch, began_us, &json);
    span_send(s->exporter, buf_str(&json));
    buf_clear(&json);
}

void stored_events_done(const struct stored_events *s,
                        const struct append *events, bool is_batch,
                        int64_t began_us)
{
    bool has_spans = spans_are_wanted(s->config);
    size_t n = events->n_events;
    uint64_t n_stored = 0;

    for (size_t i = 0; i < n; i++) {
        const struct new_event *one = &events->events[i];

        n_stored += one->was_stored;
        if (has_spans && one->was_stored)
            send_span(s, &one->event, is_batch ? n : 0, began_us);
    }
    metrics_count(COUNTER_EVENTS_ACCEPTED, n_stored);
    metrics_count(COUNTER_EVENTS_REPEATED, n - n_stored);
}
