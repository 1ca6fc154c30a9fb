// discard.h — dead letters that are settled without a further attempt: the inside,
// shared by its files.
//
//   discard.c         turns; what somebody asks for, and its answer
//   discard_choice.c  which dead letters a question is about
//   discard_sweep.c   those of hooks that are deleted

#ifndef ENGINE_DISPATCHER_REQUESTS_DISCARD_H
#define ENGINE_DISPATCHER_REQUESTS_DISCARD_H

#include "common/base/arena.h"
#include "common/messages/query.h"
#include "engine/dispatcher/schedule/schedule.h"

#define DISCARD_ROWS_AT_ONCE 64 // of a look at the dead index

// Where a look at the dead index is: behind this dead letter.
struct dead_place {
    uint64_t hook_no;
    struct position position;
};

// What somebody asked for.
struct discard_request {
    struct discard_request *next;
    uint64_t n_apis; // the link that asked
    struct arena arena;
    struct ask ask;          // its texts lie in the arena
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
    struct answer answer;
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
    uv_timer_t timer;              // runs while there is something to do
    uint64_t after_commit;         // the next slice waits for it
    struct discard_request *first; // in turns
    bool is_sweeps_turn;
    size_t n_said; // dead letters settled in this slice
    struct discard_sweep sweep;
};

// --- discard.c ---

// There is something to do, once all that is said by now is committed.
void discard_go_on(struct dispatcher *d);
// Whether this slice shall end.
bool discard_is_over(const struct dispatcher *d, int64_t until_us);
// Dead letters behind this place. Exits the process if the store fails.
size_t discard_read(struct dispatcher *d, const struct dead_place *at,
                    struct dead_row *rows, size_t max);
// Settles it as cancelled: said to d->filling. It must not be in memory.
void discard_row(struct dispatcher *d, const struct dead_row *row,
                 struct str reason);

// --- discard_choice.c ---

// ERR_CORRUPT: the question cannot be read.
MUST_CHECK enum err choice_read(struct discard_request *r,
                                const struct ask *ask);
// Looks up ids of the question until then (monotonic). True: all are.
bool choice_look_up(struct dispatcher *d, struct discard_request *r,
                    int64_t until_us);
// Whether the question is about this dead letter, which is the next behind `r->at`.
// Moves `r->at` there, or on to where the next one may lie: then `*is_jump` is set.
bool choice_wants(struct dispatcher *d, struct discard_request *r,
                  const struct dead_row *row, bool *is_jump);

// --- discard_sweep.c ---

bool sweep_has_work(const struct dispatcher *d);
void sweep_run(struct dispatcher *d, int64_t until_us); // a slice

#endif
