// SPDX-License-Identifier: MIT
// cloud_event.h — the attributes of a CloudEvent, version 1.0, as they are posted.
//
// Source: the CNCF's specification of CloudEvents 1.0.2, with its JSON format and its
// binding to HTTP.

#ifndef ENGINE_INGEST_CLOUD_EVENT_H
#define ENGINE_INGEST_CLOUD_EVENT_H

#include <stdbool.h>

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/str.h"

struct http_request;
struct json_value;

#define CLOUD_ATTRIBUTES_MAX_BYTES ((size_t)4096)

// What it points to is in the arena of whoever read it.
struct cloud_event {
    struct str id, source, type;
    // A JSON object of all attributes that go on to receivers: `source`, `subject`,
    // `time`, `dataschema` and extensions.
    struct str attributes;
};

// Whether the request has a CloudEvent in binary mode: attributes as headers.
bool cloud_event_is_in_headers(const struct http_request *r);

// Reads the attributes of an event in structured mode: the members of a JSON object other
// than `data`. ERR_INVALID: `why` names the attribute, what is wrong with it and what is
// allowed. ERR_DENIED: its data is not JSON, which `why` says.
MUST_CHECK enum err cloud_event_read(const struct json_value *root,
                                     struct arena *arena,
                                     struct cloud_event *out, struct buf *why);

// The same for an event in binary mode: the headers that begin with ce-, and the content
// type of the data.
MUST_CHECK enum err cloud_event_read_headers(const struct http_request *r,
                                             struct arena *arena,
                                             struct cloud_event *out,
                                             struct buf *why);

// The idempotency key of an event: source and id together identify it (2.1 of the
// specification). No header can say the same, since it contains line ends.
struct str cloud_event_key(const struct cloud_event *ce, struct arena *arena);

// Takes the next element of a JSON array, of which `rest` is what follows the bracket or
// the element before. `max_bytes` is the largest that may be. OK: `out` is its text,
// which need not be valid JSON. ERR_NOTFOUND: there is no further one, and nothing after
// the array. ERR_TOOBIG: it is larger; `rest` is where it was. ERR_INVALID: there is no
// comma or bracket where one must be.
MUST_CHECK enum err cloud_batch_next(struct str *rest, bool is_first,
                                     size_t max_bytes, struct str *out);

#endif
