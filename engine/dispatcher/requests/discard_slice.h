// SPDX-License-Identifier: MIT
// discard_slice.h — settling dead letters as cancelled, some in a slice.

#ifndef ENGINE_DISPATCHER_REQUESTS_DISCARD_SLICE_H
#define ENGINE_DISPATCHER_REQUESTS_DISCARD_SLICE_H

#include "common/base/arena.h"
#include "common/messages/query.h"
#include "engine/dispatcher/schedule/schedule.h"

#define DISCARD_ROWS_AT_ONCE 64 // of a look at the dead index

// Where a look at the dead index is: behind this dead letter.
struct dead_place {
    uint64_t hook_id;
    struct position position;
};

// What somebody asked for.
struct discard_request {
    struct discard_request *next;
    uint64_t n_apis; // the link that asked
    struct arena arena;
    struct query ask;        // its texts lie in the arena
    struct replay choice;    // filter and ids, likewise
    bool is_plain;           // the filter wants all
    struct position *wanted; // of the ids, ascending; in the arena
    size_t n_wanted;
    size_t n_looked_up; // of the ids; all, before anything is chosen
    struct dead_place at;
    uint64_t judged_no; // the hook that `is_ours` is about
    bool is_ours;
    int64_t until_us; // monotonic; 0: not begun
    bool is_over;     // to be answered once all is committed
    struct str reason;
    struct reply answer;
    uint8_t after[DISCARD_AFTER_BYTES]; // of the answer
};

struct hook_numbers {
    uint64_t *at; // owned
    size_t n, room;
};

// Hooks that are deleted, and may have dead letters.
struct discard_sweep {
    struct hook_numbers deleted; // the last one is at hand
    struct dead_place at;        // of the hook at hand
    uint64_t n_settled;          // likewise
    bool was_busy;               // of it something was in memory
    struct hook_numbers later;   // hooks of which something was
    bool is_walking;             // over all hooks with dead letters, up to:
    uint64_t walked_no;
};

struct discards {
    uv_timer_t timer; // runs while there is something to do
    uv_timer_cb on_timer;
    uint64_t after_commit;         // the next slice waits for it
    struct discard_request *first; // in turns
    bool is_sweeps_turn;
    size_t n_said; // dead letters settled in this slice
    struct discard_sweep sweep;
};

// There is something to do, once all that is said by now is committed.
void discard_go_on(struct dispatcher *d);

// Whether this slice shall end.
bool discard_is_over(const struct dispatcher *d, int64_t until_us);

// Dead letters behind this place. Exits the process if the store fails.
size_t discard_read(struct dispatcher *d, const struct dead_place *at,
                    struct dead_row *rows, size_t max);

// Settles it as cancelled: added to d->open_batch. It must not be in memory.
void discard_row(struct dispatcher *d, const struct dead_row *row,
                 struct str reason);

#endif
