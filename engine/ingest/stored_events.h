// SPDX-License-Identifier: MIT
// stored_events.h — what is counted and traced of events that were stored.

#ifndef ENGINE_INGEST_STORED_EVENTS_H
#define ENGINE_INGEST_STORED_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/arena.h"
#include "common/config/config.h"
#include "common/http/http.h"
#include "common/process/role.h"
#include "queue/queue.h"

struct stored_events {
    struct role *role;
    const struct config *config;
    struct channel *exporter; // NULL: there is none at present
};

// Takes a link to the exporter; false: it leads to another role.
MUST_CHECK bool stored_events_on_link(struct stored_events *s,
                                      enum role_kind kind, int fd);

// Gives the events of a request its trace context (trace.h), in the arena; also if
// spans are not exported, since webhooks may pass it on. Returns how many bytes more that is
// to store.
uint64_t stored_events_note(const struct http_request *r, struct arena *arena,
                            struct append *events);

// The events of one request were committed: counts them, and sends the span of each event
// that is new. The request's headers were there at `began_us` (UTC epoch).
void stored_events_done(const struct stored_events *s,
                        const struct append *events, bool is_batch,
                        int64_t began_us);

#endif
