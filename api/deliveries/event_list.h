// SPDX-License-Identifier: MIT
// event_list.h — the accepted events of an organization or of one of its places, the
// newest first, with the number of hooks that wanted each.

#ifndef API_DELIVERIES_EVENT_LIST_H
#define API_DELIVERIES_EVENT_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "queue/queue.h"

struct api;

// An event that was found. Borrowed for the call, in a read of the event log.
struct event_row {
    const struct event *event;
    // Hooks that wanted it. Unknown: a dispatcher has not come to it, or it was matched
    // before there was a list of events.
    uint32_t n_matched;
    bool is_known;
};

// Returns false if it does not take the event: then it is the first that is left.
typedef bool (*event_row_visit)(void *data, const struct event_row *row);

struct event_list {
    const struct api *api;               // the caller sets these
    struct hook_scope scope;             // borrowed, as the filter's texts
    const struct history_filter *filter; // of it, kinds and times only
    bool only_unmatched;                 // events that no hook wanted
    event_row_visit visit;
    void *data;
    uint64_t before; // events from this number on are done; UINT64_MAX: none
    // Out: whether events may be left, which begin before `before`.
    bool has_more;
    // Closed to other modules.
    uint64_t listed_from,
        listed_to;  // behind and up to these numbers all are listed
    uint64_t since; // events up to this number are too old
    bool is_begun, is_over;
    size_t cost;
    size_t n_bytes; // payloads that were read over
};

// Searches until `until_us` (monotonic). OK: the page is done: the visit has not taken an
// event, or as much was looked at as a page may, or nothing is left. ERR_AGAIN: call it
// again. It is not to be called within a read of a store.
MUST_CHECK enum err event_list_work(struct event_list *l, int64_t until_us);

#endif
