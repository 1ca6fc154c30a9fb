// SPDX-License-Identifier: MIT
// event.h — an event, and its position in the event log.

#ifndef COMMON_MODEL_EVENT_H
#define COMMON_MODEL_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/str.h"
#include "common/encoding/id.h"

// A position in the event log. Opaque; sorts in log order.
struct position {
    uint8_t bytes[8];
};

extern const struct position position_start; // before the first event
// After every event: the position of an event that is checked and never stored.
extern const struct position position_end;

int position_cmp(struct position a, struct position b);

// Is an event stored at this position? No two events share such a position. Events
// that are not stored (pings, and events of QUERY_EXPLAIN) have other positions.
bool position_is_stored(struct position position);

// Which of the two APIs an event or a hook belongs to: Pulumi's or Akinon's. Neither API
// shows what belongs to the other. Values are on disk.
enum dialect { DIALECT_PULUMI = 1, DIALECT_AKINON = 2 };

struct event {
    struct id id;
    struct position position; // set by the queue
    int64_t accepted_at_us;   // UTC epoch
    enum dialect dialect;
    uint64_t filters;   // bit set of filter numbers (event_kinds.h); 0: none
    struct str kind;    // "stack_update", "order.created"
    struct str org;     // organization name, or 24-hex id
    struct str project; // project, stack and env: empty if it has none
    struct str stack;
    struct str env;
    struct str payload; // the JSON text, compact
    struct str trace;   // the producer's trace context (trace.h); mostly empty
    // Of an event that was posted as a CloudEvent: a JSON object of its attributes, but
    // for id, type and the content type. Empty: it was posted otherwise.
    struct str cloud;
    uint64_t flags;       // set of enum event_flag; mostly 0
    int64_t erased_at_ms; // UTC epoch; 0 without EVENT_PAYLOAD_ERASED
    // The others are in memory alone, of an event whose payload is sealed in the log.
    bool is_closed; // the payload is the sealed text, as in the log
    // Its key is not there: payload, attributes and trace context are empty.
    bool is_locked;
    bool
        may_open; // the key is there and cannot be read now; set only if it is locked
    size_t n_sealed_bytes; // of the sealed text
};

// Values are on disk.
enum event_flag {
    // Payload, attributes and trace context were erased by an order; all three are empty.
    EVENT_PAYLOAD_ERASED = 1,
    // The record has payload, attributes and trace context as one sealed text, in place
    // of the payload. Readers of the log get them open, and the flag.
    EVENT_PAYLOAD_SEALED = 2
};
#define EVENT_FLAGS_KNOWN \
    ((uint64_t)EVENT_PAYLOAD_ERASED | (uint64_t)EVENT_PAYLOAD_SEALED)

static inline bool event_is_erased(const struct event *e)
{
    return (e->flags & EVENT_PAYLOAD_ERASED) != 0;
}

static inline bool event_is_sealed(const struct event *e)
{
    return (e->flags & EVENT_PAYLOAD_SEALED) != 0;
}

// What is stored of it besides its row: payload, attributes and trace context.
static inline size_t event_stored_bytes(const struct event *e)
{
    if (e->n_sealed_bytes > 0)
        return e->n_sealed_bytes;
    return e->payload.n_bytes + e->cloud.n_bytes + e->trace.n_bytes;
}

struct arena;

// A copy whose texts lie in the arena.
struct event event_copy(struct arena *arena, const struct event *event);

// The event is borrowed for the call: it points into the database. Return false to
// end the scan after this event.
typedef bool (*event_visit)(void *data, const struct event *event);

#endif
