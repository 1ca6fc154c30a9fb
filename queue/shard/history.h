// SPDX-License-Identifier: MIT
// history.h — the history of attempts, for any process. Part of queue.h, which
// is what to include.
//
// An attempt is stored once, in the order of time, and is found by its hook, by its
// hook's organization, and by its event. The index rows contain what filters
// examine, so a filter reads 48 bytes a row, and only those attempts that it
// accepts. Failed attempts have an index of their own: a dead letter among ten
// million deliveries is found at once.

#ifndef QUEUE_SHARD_HISTORY_H
#define QUEUE_SHARD_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/base/str.h"
#include "common/model/delivery.h"
#include "common/model/replay.h"

struct shard_view;

struct history_query {
    uint64_t owner_no; // a hook's number, or an organization's (org_number())
    const struct position *event; // of this event only (then the owner must be
                                  // a hook). Pings have position_start
    const struct history_filter *filter; // borrowed; NULL: all
    bool oldest_first;
    bool marks_only; // attempts are not read, and the visit gets NULL: to count
                     // them. The filter must not name kinds or states, and the
                     // owner must be given, not an event
    uint64_t from_no; // rows older than this one (newer, if oldest_first); 0:
                      // from the end
    size_t max_rows;  // to examine; a row whose attempt is read counts as ten
    int64_t until_us; // monotonic time to stop at, some rows later; 0: none
    uint64_t last_no; // out: the last row passed, or from_no
    bool is_end;      // out: there are no more rows
};

// `no` numbers the rows of a shard in growing order. The attempt is borrowed for
// the call. Return false to end the scan; that row counts as not passed.
typedef bool (*attempt_visit)(void *data, uint64_t no,
                              const struct attempt *attempt);

// Visits attempts that the filter accepts, newest first. Damaged rows are skipped
// and logged.
MUST_CHECK enum err history_scan(struct shard_view *view,
                                 struct history_query *query,
                                 attempt_visit visit, void *data);

// Visits all attempts of an event, for all hooks, the oldest of each hook first.
MUST_CHECK enum err history_of_event(struct shard_view *view,
                                     const struct position *event,
                                     size_t max_rows, attempt_visit visit,
                                     void *data);

// Is this the newest attempt of its delivery, and is the delivery still in the
// state that the attempt left? No for an expired dead letter, or a retry that was
// cancelled since. Call it within a visit.
MUST_CHECK enum err history_is_now(struct shard_view *view, uint64_t no,
                                   const struct attempt *attempt, bool *out);

// Visits every attempt in the order of time, from row `from_no` on; skips damaged
// ones. What is sealed in them stays closed. `next_no`: the row to continue at.
MUST_CHECK enum err history_walk(struct shard_view *view, uint64_t from_no,
                                 size_t max_rows, attempt_visit visit,
                                 void *data, uint64_t *next_no);

#endif
