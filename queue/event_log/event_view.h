// SPDX-License-Identifier: MIT
// event_view.h — the reading end of the event log, for any process. Part of
// queue.h, which is what to include outside of queue/.

#ifndef QUEUE_EVENT_LOG_EVENT_VIEW_H
#define QUEUE_EVENT_LOG_EVENT_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/base/str.h"
#include "common/encoding/id.h"
#include "common/model/event.h"
#include "queue/erasure/erasure_mark.h"
#include "queue/records/queue_config.h"

struct event_view;

// Events are visited with their payload open; an event whose payload is sealed with a key
// that is not there is locked (event.h), and visited all the same.
MUST_CHECK enum err event_view_open(const struct queue_config *config,
                                    struct event_view **out);

struct event_scan {
    struct position after;
    size_t max;
    bool keeps_closed;    // sealed payloads are visited closed (event.h)
    struct position last; // out: the last event passed, or `after`
    size_t n_damaged;     // out: damaged records, which were skipped and logged
};

// Visits up to `scan->max` events after `scan->after`, in order.
MUST_CHECK enum err event_view_scan(struct event_view *view,
                                    struct event_scan *scan, event_visit visit,
                                    void *data);

struct event_scan_back {
    struct position before; // position_end: from the newest event on
    size_t max;
    struct position last; // out: the last event passed, or `before`
    bool is_end;          // out: there are no older events
};

// Visits up to `scan->max` events before `scan->before`, the newest first. The visit may
// end the scan; that event counts as passed. Damaged events are skipped and logged.
MUST_CHECK enum err event_view_scan_back(struct event_view *view,
                                         struct event_scan_back *scan,
                                         event_visit visit, void *data);

// ERR_NOTFOUND: retention removed it. ERR_CORRUPT: it is damaged.
MUST_CHECK enum err event_view_get(struct event_view *view,
                                   struct position position, event_visit visit,
                                   void *data);

// The newest event of the organization with this id. ERR_NOTFOUND.
MUST_CHECK enum err event_view_find(struct event_view *view,
                                    enum dialect dialect, struct str org,
                                    const struct id *id, struct position *out);

// How many events were accepted since the directory was made; the balance starts
// from this number.
MUST_CHECK enum err event_view_accepted(struct event_view *view,
                                        uint64_t *n_events);

// How far the last erasure of an organization is in the event log.
MUST_CHECK enum err event_view_erasure(struct event_view *view,
                                       struct erasure_mark *out);

// Whether the payload of the event was erased in the log by an order that is not removed.
MUST_CHECK enum err event_view_has_erased(struct event_view *view,
                                          struct position position, bool *out);

// Where the log ends now.
MUST_CHECK enum err event_view_end(struct event_view *view,
                                   struct position *out);

#endif
