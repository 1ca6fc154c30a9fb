// SPDX-License-Identifier: MIT
// trace.h — the trace that an event belongs to: W3C Trace Context, and ids of spans. Pure.
//
// All spans of an event have one trace id, after a restart and years later, too: the
// producer's, which is stored with the event, or a hash of the event's id. Ids of spans
// are hashes as well, so a dispatcher knows the span of the event's intake without being
// told.

#ifndef COMMON_MODEL_TRACE_H
#define COMMON_MODEL_TRACE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/str.h"
#include "common/model/event.h"

#define TRACE_ID_BYTES        16
#define SPAN_ID_BYTES         8
#define TRACE_PARENT_BYTES    55 // of version 00, as text
#define TRACE_STATE_MAX_BYTES 512
#define TRACE_STATE_MEMBERS   32

struct trace {
    uint8_t trace_id[TRACE_ID_BYTES];
    uint8_t parent_id[SPAN_ID_BYTES]; // the producer's span
    bool has_parent;
    bool is_sampled;  // its spans are exported
    struct str state; // tracestate, borrowed; perhaps empty
};

// Appends what is stored with an event: traceparent, and after a space tracestate, if there
// is one. Appends nothing if `parent` is not valid (Trace Context, 3.2): the event begins a
// trace of its own. A `state` that is longer than the limits, or has other bytes than
// visible ASCII, spaces and tabs, is left out.
void trace_put_context(struct str parent, struct str state, struct buf *out);

// The trace of an event. Without a producer's context, `percent` of the traces are sampled,
// chosen by their ids.
void trace_of_event(const struct event *event, unsigned percent,
                    struct trace *out);

// Appends the value of traceparent for a request of this trace that the span `id` makes.
void trace_put_parent(const struct trace *trace, const uint8_t *id,
                      struct buf *out);

// What a span of an event is about.
enum trace_span { TRACE_INTAKE = 1, TRACE_QUEUE, TRACE_ATTEMPT };

// The id of a span. `hook` and `attempt` are 0 for TRACE_INTAKE.
void trace_span_id(const struct event *event, enum trace_span kind,
                   uint64_t hook, int64_t attempt, uint8_t out[SPAN_ID_BYTES]);

#endif
