// SPDX-License-Identifier: MIT
// recent_events.h — the newest events of an organization, or of one of its places.
//
// The log has no index by organization. So the newest events of all organizations are
// looked at, as many as a request may (RECENT_LOOKED_MAX), and then the events of the
// organization's newest attempts, which may be much older. What is older than the first
// and reached no webhook is not found.

#ifndef API_CORE_RECENT_EVENTS_H
#define API_CORE_RECENT_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "queue/queue.h"

#define RECENT_LOOKED_MAX     20000
#define RECENT_CANDIDATES_MAX 256 // events of attempts
#define RECENT_ATTEMPTS_MAX   500 // of each shard

struct api;

struct recent_events {
    const struct api *api;   // these four are set by the caller
    struct hook_scope scope; // borrowed: the organization or the place
    // Called for each event, the newest first; false ends the search. Must not read a
    // store.
    event_visit visit;
    void *data;
    // Out: every event since then was looked at (UTC epoch); 0: all that are stored. It is
    // the time of an event of the organization, or now: that of another one's would tell
    // how many events those have.
    int64_t from_ms;
    // Closed to other modules.
    uint64_t org_id;
    struct position before; // events from there on were looked at
    bool is_log_done, is_over;
    size_t n_looked, n_bytes;
    int64_t until_us;
    unsigned shard; // whose attempts are looked at
    uint64_t from_no;
    size_t n_attempts;
    struct position candidates[RECENT_CANDIDATES_MAX]; // descending
    size_t n_candidates, at;
};

// Begins a search. ERR_NOTFOUND is none of its errors: without events there is nothing to
// visit.
MUST_CHECK enum err recent_events_begin(struct recent_events *r);

// Searches until `until_us` (monotonic). OK: the search is done. ERR_AGAIN: call it again.
MUST_CHECK enum err recent_events_work(struct recent_events *r,
                                       int64_t until_us);

#endif
