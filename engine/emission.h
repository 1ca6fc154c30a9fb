// emission.h — the engine's own events, into the event log.

#ifndef ENGINE_EMISSION_H
#define ENGINE_EMISSION_H

#include <stdint.h>

#include "common/str.h"
#include "queue/queue.h"

struct chan;

// To a dispatcher; outlives what it brought.
struct emission_link {
    struct chan *chan; // NULL: not there
    uint64_t n_links;  // so far: tells late answers apart
    void *data;        // of `done`
};

// Runs when an event has been appended, or not.
typedef void (*emission_done)(void *data);

// Appends the event of a frame from the dispatcher, and answers it.
void emission_take(struct emission_link *link, struct event_log *log,
                   struct str frame, emission_done done);

#endif
