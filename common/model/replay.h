// SPDX-License-Identifier: MIT
// replay.h — replays: which deliveries are to be sent once more, and the progress.

#ifndef COMMON_MODEL_REPLAY_H
#define COMMON_MODEL_REPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/str.h"
#include "common/encoding/id.h"

#define FILTER_KINDS_MAX 16

// Conditions on an attempt, all of which must hold.
struct history_filter {
    unsigned states; // bits, 1 << enum delivery_state; 0: any. If set, only
                     // deliveries in such a state now, by their newest attempt
    unsigned errors; // bits, 1 << enum error_class; 0: any
    bool has_code;
    uint16_t code;                      // 0: there was no response
    struct str kinds[FILTER_KINDS_MAX]; // any of these; "order.*" too
    size_t n_kinds;                     // 0: any
    int64_t since_us, until_us;         // it started in [since, until)
};

extern const struct history_filter history_all;

// Whether the filter accepts this kind of event.
bool history_wants_kind(const struct history_filter *f, struct str kind);

#define REPLAY_IDS_MAX 1000

// Values are on disk.
enum replay_state { REPLAY_RUNNING = 1, REPLAY_DONE = 2, REPLAY_CANCELLED = 3 };

// A replay for one hook. Replays that an organization started together share an id.
struct replay {
    struct id id;
    uint64_t hook_id;
    uint64_t org_id; // of the hook's organization
    enum replay_state state;
    int64_t created_at_ms;
    int64_t ended_at_ms;      // 0: it is running
    uint32_t rate_per_second; // 0: as the settings say
    // What it sends: attempts that the filter accepts (if there are ids, only
    // these), or, if `unmatched`, events that the hook never got.
    struct history_filter filter; // its kinds point into the record
    struct str ids;               // 16 bytes each
    bool unmatched;
    // The range that is left: rows of the history, or numbers of events.
    uint64_t next, end;
    uint64_t matched;   // deliveries that matched at the start
    uint64_t delivered; // how many of `matched` ended in each state:
    uint64_t dead;
    uint64_t cancelled; // or removed by retention meanwhile
    uint64_t retrying;  // failed once more, and will be tried again
};

// The number by which rows in the due index refer to a replay.
uint64_t replay_tag(const struct id *id);

#endif
