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
#include "engine/ingest/ingest_path.h"
#include "queue/queue.h"

#define EVENT_LINES_MAX     10000
#define EVENT_KEY_MAX_BYTES 255

struct event_parser {
    struct ingest_path path;
    struct str key;         // header Idempotency-Key; empty: none
    size_t max_event_bytes; // of one event as posted
    struct json_limits json;
    int64_t accepted_at_us; // UTC epoch
};

// Reads one event: {"kind": …, "payload": {…}, "id": …}, or for Akinon {"event": …,
// "data": {…}, "id": …}. What `out` points to is in the arena. ERR_INVALID: `why` names
// the field, what is wrong with it and what is allowed. ERR_TOOBIG: it is larger than
// max_event_bytes.
MUST_CHECK enum err event_parser_read(const struct event_parser *in,
                                      struct str text, struct arena *arena,
                                      struct new_event *out, struct buf *why);

// How far a request of many events has been read.
struct event_lines {
    struct str rest; // not read yet
    size_t line_no;  // of the line that was read last; the first is 1
    struct new_event *events;
    size_t n; // number of events
};

// Begins to read a text with one object of event_parser_read() per line (NDJSON); empty
// lines are skipped. `out->events` is in the arena. ERR_INVALID: there are too many
// lines, which `why` says.
MUST_CHECK enum err event_lines_begin(struct str text, struct arena *arena,
                                      struct event_lines *out, struct buf *why);

// Reads lines until `until_us` (monotonic), at least one. ERR_AGAIN: there are more.
// The other errors are those of event_parser_read(); `why` begins with "line N: ".
MUST_CHECK enum err event_lines_read(const struct event_parser *in,
                                     struct event_lines *lines,
                                     struct arena *arena, int64_t until_us,
                                     struct buf *why);

#endif
