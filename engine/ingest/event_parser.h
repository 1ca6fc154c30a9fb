// SPDX-License-Identifier: MIT
// event_parser.h — reads posted events: JSON into what the queue stores.

#ifndef ENGINE_INGEST_EVENT_PARSER_H
#define ENGINE_INGEST_EVENT_PARSER_H

#include <stddef.h>

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/str.h"
#include "common/encoding/json.h"
#include "engine/ingest/cloud_event.h"
#include "engine/ingest/ingest_path.h"
#include "queue/queue.h"

#define EVENT_LINES_MAX     10000
#define EVENT_KEY_MAX_BYTES 255

// How an event is written.
enum event_form {
    EVENT_OF_API,      // as its API has it
    EVENT_CLOUD,       // a CloudEvent in structured mode
    EVENT_CLOUD_BINARY // a CloudEvent in binary mode: the text is its data
};

struct event_parser {
    enum event_form form;
    struct cloud_event cloud; // of EVENT_CLOUD_BINARY: its attributes
    struct ingest_path path;
    struct str key;         // header Idempotency-Key; empty: none
    size_t max_event_bytes; // of one event as posted
    struct json_limits json;
    int64_t accepted_at_us; // UTC epoch
};

// Reads one event: {"kind": …, "payload": {…}, "id": …}, or for Akinon {"event": …,
// "data": {…}, "id": …}, or a CloudEvent, whose `type` is the kind and whose `data` is the
// payload. What `out` points to is in the arena. ERR_INVALID: `why` names the field, what
// is wrong with it and what is allowed. ERR_TOOBIG: it is larger than max_event_bytes.
// ERR_DENIED: the data of a CloudEvent is not JSON.
MUST_CHECK enum err event_parser_read(const struct event_parser *in,
                                      struct str text, struct arena *arena,
                                      struct new_event *out, struct buf *why);

// How far a request of many events has been read: one a line, or, of CloudEvents, one
// an element of an array.
struct event_lines {
    struct str rest; // not read yet
    size_t line_no; // of the line or element that was read last; the first is 1
    struct new_event *events;
    size_t n; // number of events
};

// What a part of such a request is called: "line" or "event".
const char *event_lines_noun(enum event_form form);

// Begins to read a text with one object of event_parser_read() per line (NDJSON); empty
// lines are skipped. Of EVENT_CLOUD it is an array of such objects. `out->events` is in
// the arena. ERR_INVALID: there are too many lines, or there is no array, which `why`
// says.
MUST_CHECK enum err event_lines_begin(enum event_form form, struct str text,
                                      struct arena *arena,
                                      struct event_lines *out, struct buf *why);

// Reads lines until `until_us` (monotonic), at least one. ERR_AGAIN: there are more.
// The other errors are those of event_parser_read(); `why` begins with "line N: " or
// "event N: ".
MUST_CHECK enum err event_lines_read(const struct event_parser *in,
                                     struct event_lines *lines,
                                     struct arena *arena, int64_t until_us,
                                     struct buf *why);

#endif
