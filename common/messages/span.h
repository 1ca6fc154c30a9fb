// SPDX-License-Identifier: MIT
// span.h — spans of a trace, which ingest and dispatchers send to the exporter.
//
// A frame holds one span as OTLP has it in JSON (opentelemetry-proto, trace.proto): ids as
// hexadecimal text, 64-bit numbers as text, enums as numbers. The exporter does not look
// into it.
//
// If the exporter is away or does not keep up, spans are dropped and counted; the sender
// of a span never waits.

#ifndef COMMON_MESSAGES_SPAN_H
#define COMMON_MESSAGES_SPAN_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/str.h"
#include "common/encoding/json_writer.h"
#include "common/model/trace.h"

struct channel;
struct config;

#define SPAN_MAX_BYTES ((size_t)16 * 1024)

enum span_kind { SPAN_INTERNAL = 1, SPAN_SERVER = 2, SPAN_CLIENT = 3 };

struct span {
    const struct trace *trace;
    uint8_t id[SPAN_ID_BYTES];
    const uint8_t *parent_id; // NULL: it has none
    const char *name;
    enum span_kind kind;
    int64_t start_us, end_us; // UTC epoch
};

// Whether spans are exported at all.
bool spans_are_wanted(const struct config *config);

// Begins the JSON of a span: attributes may be put until span_end().
void span_begin(struct json_writer *w, const struct span *span);
void span_put_str(struct json_writer *w, const char *key, struct str value);
void span_put_text(struct json_writer *w, const char *key, const char *value);
void span_put_int(struct json_writer *w, const char *key, int64_t value);
void span_put_bool(struct json_writer *w, const char *key, bool is_true);

// Ends the attributes; events may be put until span_end().
void span_begin_events(struct json_writer *w);
void span_put_event(struct json_writer *w, const char *name, int64_t at_us);

// Ends the span, after its events. `error`: why it failed; NULL: it did not.
void span_end(struct json_writer *w, const char *error);

// Whether a span could leave now. If not, it counts as dropped: who has many of them need
// not make them.
bool span_has_room(struct channel *exporter);

// Sends a span to the exporter; NULL: there is none at present. Drops and counts it if it
// cannot leave now.
void span_send(struct channel *exporter, struct str json);

// ERR_CORRUPT: it is no such frame. `json` is borrowed from the frame.
MUST_CHECK enum err span_unpack(struct str frame, struct str *json);

#endif
