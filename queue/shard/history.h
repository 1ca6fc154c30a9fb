// SPDX-License-Identifier: MIT
// history.h — the history of attempts, for any process. Part of queue.h, which
// is what to include.
//
// An attempt lies once, in the order of time, and is found by its hook, by its
// hook's organization, and by its event. The rows of these indexes hold what
// filters ask for, so a filter looks at 48 bytes a row and reads no attempt
// that it does not want. What failed has an index of its own: a dead letter
// among ten million deliveries is found at once.

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
    uint64_t owner_no; // a hook's number, or org_number()'s, which never is one
    const struct position *event; // of this event only (then the owner must be
                                  // a hook). Pings have position_start
    const struct history_filter *filter; // borrowed; NULL: all
    bool oldest_first;
    uint64_t from_no; // rows older than this one (newer, if oldest_first); 0:
                      // from the end
    size_t max_rows;  // looked at; one that is read counts for ten
    int64_t until_us; // monotonic: then it ends, some rows later; 0: whenever
    uint64_t last_no; // out: the last row passed, or from_no
    bool is_end;      // out: there are no more
};

// `no` numbers the rows of a shard, growing. What it is given is borrowed for
// the call. False ends the scan; the row counts as not passed.
typedef bool (*attempt_visit)(void *data, uint64_t no,
                              const struct attempt *attempt);

// Attempts that are wanted, newest first. Damaged rows are passed over and
// logged.
MUST_CHECK enum err history_scan(struct shard_view *view,
                                 struct history_query *query,
                                 attempt_visit visit, void *data);

// All attempts of an event, of whatever hook, the oldest of each hook first.
MUST_CHECK enum err history_of_event(struct shard_view *view,
                                     const struct position *event,
                                     size_t max_rows, attempt_visit visit,
                                     void *data);

// Is this the newest attempt of its delivery, and is the delivery still what
// it left behind? A dead letter that expired is not, nor a retry that was
// cancelled since. For use within a visit.
MUST_CHECK enum err history_is_now(struct shard_view *view, uint64_t no,
                                   const struct attempt *attempt, bool *out);

// Every attempt in the order of time, from row `from_no` on; a damaged one is
// passed over. `next_no`: where to go on.
MUST_CHECK enum err history_walk(struct shard_view *view, uint64_t from_no,
                                 size_t max_rows, attempt_visit visit,
                                 void *data, uint64_t *next_no);

#endif
