// SPDX-License-Identifier: MIT
// engine_event_writer.h — writes the engine's own events to the event log.

#ifndef ENGINE_INGEST_ENGINE_EVENT_WRITER_H
#define ENGINE_INGEST_ENGINE_EVENT_WRITER_H

#include <stdint.h>

#include "common/base/str.h"
#include "queue/queue.h"

struct channel;

// A link to a dispatcher. It must outlive the events that came through it.
// Closed to other rooms.
struct engine_event_link {
    struct channel *channel; // NULL: not there
    uint64_t n_links;        // links so far: tells late answers apart
    void *data;              // for `done`
};

// Runs when an event has been appended, or not.
typedef void (*engine_event_done)(void *data);

// Appends the event of a frame from the dispatcher, and answers it. An event of an
// organization that is being erased, as `hooks` tells, is dropped.
void engine_event_receive(struct engine_event_link *link, struct event_log *log,
                          struct hook_store *hooks, struct str frame,
                          engine_event_done done);

#endif
