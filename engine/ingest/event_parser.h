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

#define INTAKE_LINES_MAX     10000
#define INTAKE_KEY_MAX_BYTES 255

struct intake {
    struct intake_path path;
    struct str key;         // header Idempotency-Key; empty: none
    size_t max_event_bytes; // of one event as posted
    struct json_limits json;
    int64_t accepted_at_us; // UTC epoch
};

// Reads one event: {"kind": …, "payload": {…}, "id": …}, or for Akinon {"event": …,
// "data": {…}, "id": …}. What `out` points to is in the arena. ERR_INVALID: `why` names
// the field, what is wrong with it and what is allowed. ERR_TOOBIG: it is larger than
// max_event_bytes.
MUST_CHECK enum err intake_event(const struct intake *in, struct str text,
                                 struct arena *arena, struct new_event *out,
                                 struct buf *why);

// How far a request of many events has been read.
struct intake_lines {
    struct str rest; // not read yet
    size_t line_no;  // of the line that was read last; the first is 1
    struct new_event *events;
    size_t n; // number of events
};

// Begins to read a text with one object of intake_event() per line (NDJSON); empty
// lines are skipped. `out->events` is in the arena. ERR_INVALID: there are too many
// lines, which `why` says.
MUST_CHECK enum err intake_lines_begin(struct str text, struct arena *arena,
                                       struct intake_lines *out,
                                       struct buf *why);

// Reads lines until `until_us` (monotonic), at least one. ERR_AGAIN: there are more.
// The other errors are those of intake_event(); `why` begins with "line N: ".
MUST_CHECK enum err intake_lines_read(const struct intake *in,
                                      struct intake_lines *lines,
                                      struct arena *arena, int64_t until_us,
                                      struct buf *why);

#endif
