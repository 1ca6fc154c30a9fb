// SPDX-License-Identifier: MIT
// selection.h — which deliveries the body of a request chooses, for replays and for
// discards of dead letters.

#ifndef API_DELIVERIES_SELECTION_H
#define API_DELIVERIES_SELECTION_H

#include <stdbool.h>

#include "common/base/buf.h"
#include "common/encoding/json.h"
#include "queue/queue.h"

// What the body is for, as bits. It decides which members the body may have.
enum selection_use { SELECT_REPLAY = 1, SELECT_DISCARD = 2 };

struct selection {
    struct replay
        replay;     // its filter, rate and `unmatched`; kinds are borrowed
                    // from the body
    struct buf ids; // 16 bytes each
    bool is_dry;
    bool has_state;       // `state` was given
    struct str continued; // continuationToken, borrowed from the body; or empty
    uint64_t limit;       // maximum number of deliveries; 0: no limit
    struct buf why;       // what is wrong
};

void selection_init(struct selection *s);
void selection_clear(struct selection *s);

// Reads a body; NULL counts as a body without members. False: `why` names the member
// and what is allowed.
bool selection_read(struct selection *s, enum selection_use use,
                    const struct json_value *body);

// Writes to `why` that a member is invalid and what is allowed; returns false.
bool selection_refuse(struct selection *s, const char *key,
                      const char *allowed);

#endif
