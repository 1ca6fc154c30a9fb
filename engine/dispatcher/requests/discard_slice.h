// SPDX-License-Identifier: MIT
// discard_slice.h — settling dead letters as cancelled, in slices.

#ifndef ENGINE_DISPATCHER_REQUESTS_DISCARD_SLICE_H
#define ENGINE_DISPATCHER_REQUESTS_DISCARD_SLICE_H

#include "common/base/arena.h"
#include "common/messages/query.h"
#include "engine/dispatcher/loop/dispatcher.h"

#define DISCARD_ROWS_AT_ONCE 64 // rows read from the dead index at once

// How far the dead index has been read: up to this dead letter.
struct dead_place {
    uint64_t hook_id;
    struct position position;
};

// A request to discard dead letters.
struct discard_request {
    struct list_node node;
    uint64_t n_apis; // the link that asked
    struct arena arena;
    struct query query;      // its texts are in the arena
    struct replay choice;    // filter and ids; its texts are in the arena
    bool is_plain;           // the filter has no conditions
    struct position *wanted; // positions of the ids, ascending; in the arena
    size_t n_wanted;
    size_t n_looked_up; // ids looked up; all, before anything is chosen
    struct dead_place at;
    uint64_t checked_id; // the hook that `is_ours` tells about
    bool is_ours;
    int64_t until_us; // monotonic; 0: not begun
    bool is_over;     // answer it once all its changes are committed
    struct str reason;
    struct reply reply;
    uint8_t after[DISCARD_AFTER_BYTES]; // of the answer
};

struct hook_numbers {
    uint64_t *at; // owned
    size_t n, room;
};

// Deleted hooks that may have dead letters.
// Closed to other rooms.
struct discard_sweep {
    struct hook_numbers deleted; // the last one is the current hook
    struct dead_place at;        // of the current hook
    uint64_t n_settled;          // of the current hook
    bool was_busy;               // it had a delivery in memory
    struct hook_numbers later;   // hooks that had one: to be looked at again
    bool is_walking;             // over all hooks with dead letters
    uint64_t walked_no;          // the walk has come to this hook
};

// Closed to other rooms.
struct discards {
    uv_timer_t timer; // runs while there is something to do
    uv_timer_cb on_timer;
    uint64_t after_commit; // the next slice waits for this commit
    struct list requests;  // in the order of turns
    bool is_sweeps_turn;
    size_t n_in_slice; // dead letters settled in this slice
    struct discard_sweep sweep;
};

// There is something to do, once d->open_batch is committed.
void discard_go_on(struct dispatcher *d);

// Whether this slice must end.
bool discard_is_over(const struct dispatcher *d, int64_t until_us);

// Reads dead letters behind this place. Exits the process if the store fails.
size_t discard_read(struct dispatcher *d, const struct dead_place *at,
                    struct dead_row *rows, size_t max);

// Settles a dead letter as cancelled, in d->open_batch. It must not be in memory.
void discard_row(struct dispatcher *d, const struct dead_row *row,
                 struct str reason);

#endif
