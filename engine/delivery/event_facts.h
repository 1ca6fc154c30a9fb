// SPDX-License-Identifier: MIT
// event_facts.h — an event as patterns see it: its payload is parsed when the first
// pattern looks at it, and once.

#ifndef ENGINE_DELIVERY_EVENT_FACTS_H
#define ENGINE_DELIVERY_EVENT_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/encoding/json.h"
#include "common/model/event.h"
#include "common/pattern/facts.h"
#include "common/pattern/paths.h"

// Opens a closed payload, into memory that lasts as long as the event; empty: it cannot be
// opened.
typedef struct str (*payload_opener)(void *data, const struct event *event);

// Closed to other rooms.
struct event_facts {
    const struct event *event;
    struct json *payload; // NULL: not parsed yet, or not valid
    bool is_parsed;
    payload_opener open; // NULL: there are no closed events
    void *data;          // for it
    struct facts *facts; // kept from event to event
    const struct paths
        *paths;        // that the facts are collected for; NULL: not yet
    uint64_t revision; // of the paths
};

// All zeros: of no event yet.
void event_facts_clear(
    struct event_facts *ef); // frees all; it is all zeros then

// From now on events may be closed.
void event_facts_open_with(struct event_facts *ef, payload_opener open,
                           void *data);

// Goes on with another event, which must live until event_facts_end().
void event_facts_begin(struct event_facts *ef, const struct event *event);
void event_facts_end(struct event_facts *ef); // frees the payload

// The payload; NULL: it is not valid.
const struct json_value *event_facts_payload(struct event_facts *ef);

// The values at these paths, collected anew if the paths or their revision are not those
// of the last call.
struct facts *event_facts_at(struct event_facts *ef, const struct paths *paths,
                             uint64_t revision);

// The paths of the last call may be gone.
void event_facts_forget_paths(struct event_facts *ef);

#endif
