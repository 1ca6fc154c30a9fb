// SPDX-License-Identifier: MIT
// parts_state.h — the state of parts.h. For files in queue/ only.

#ifndef QUEUE_EVENT_LOG_PARTS_STATE_H
#define QUEUE_EVENT_LOG_PARTS_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"

struct append;

// An event weighs 1, and 1 for each KiB of its payload. While several organizations
// post, a post of more than this is stored in parts, and one commit takes small posts of
// about this weight of each organization.
#define PART_WEIGHT 1024

enum parts_phase {
    PARTS_NONE,
    PARTS_PUT,  // parts are stored
    PARTS_SHOW, // all are, and become visible
    PARTS_UNDO  // the post failed: what is stored of it is removed
};

// The numbers of a part's events; `to` is behind the last one.
struct parts_range {
    uint64_t from, to;
};

// What a transaction of the worker changes, and what a failed one changes back.
struct parts_state {
    enum parts_phase phase;
    size_t n_put;        // events of the post whose part is stored
    uint64_t from, next; // hidden numbers: the first, the next one; 0: none
    size_t n_ranges, n_shown;
    enum err err; // PARTS_UNDO: why
};

// Closed to other rooms.
struct parts {
    struct parts_state now;
    struct append *append; // NULL: its owner knows how it ended
    uint64_t
        org; // its organization, whose other posts wait until it is visible
    struct parts_range *ranges; // owned; room for all
    bool is_in_commit;          // the commit that is under way works on it
    bool is_others_turn;        // PARTS_PUT: the next commit is for others
    bool has_failed; // in the last commit: the next one is for it alone
    bool is_resting; // after that, until the next second
    size_t
        weight; // of a part; 0: the first weight. Kept from one post to the next
    int64_t others_us; // how long a commit of others takes; 0: none was made
};

static inline bool parts_are_open(const struct parts *p)
{
    return p->now.phase != PARTS_NONE;
}

#endif
