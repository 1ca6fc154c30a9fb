// SPDX-License-Identifier: MIT
// classify.h — decides which filters an event has, and where it belongs.

#ifndef ENGINE_INGEST_CLASSIFY_H
#define ENGINE_INGEST_CLASSIFY_H

#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/str.h"
#include "common/encoding/json.h"

// A stack_update that is a preview has the filters of stack_preview and keeps
// its kind. Both kinds are of the group stacks, so the group of an event always
// follows from its kind (kind_group()).
struct classified {
    uint64_t filters;   // bit set of filter numbers (event_kinds.h); 0: none
    struct str project; // these three: borrowed from the payload; empty: none
    struct str stack;
    struct str env;
};

// Pure. The payload of a kind in the table must have the fields that matching needs;
// they give the event its filters. A status or result that no filter names gives none.
// Any other kind must be a custom one: its payload is any JSON value; if it is an
// object, its project, stack and environment are taken from it. ERR_INVALID: `why` gets
// a sentence that names the field.
MUST_CHECK enum err classify_event(struct str kind,
                                   const struct json_value *payload,
                                   struct classified *out, struct buf *why);

#endif
