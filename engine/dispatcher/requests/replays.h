// replays.h — the inside of replays, shared by their files.
//
//   replay_source.c  which deliveries a replay is about, some at a time
//   replay_jobs.c    asked for, counted, cancelled
//   replays.c        sent, at their pace, and accounted for

#ifndef ENGINE_DISPATCHER_REQUESTS_REPLAYS_H
#define ENGINE_DISPATCHER_REQUESTS_REPLAYS_H

#include "common/messages/query.h"
#include "engine/dispatcher/schedule/schedule.h"

#define REPLAY_AHEAD    64 // candidates that are read ahead
#define REPLAY_OPEN_MAX 32 // attempts of one in flight

// A delivery that a replay is about.
struct candidate {
    struct position position;
    uint64_t no; // where it lies in the source
};

struct number_set {
    uint64_t *at; // owned; 0: free
    size_t n, room;
};

// One replay in the share of its organization: of one hook or of many.
struct replay_holder {
    struct shares *shares;
    uint64_t org_no;
    size_t n; // of those that have joined
};

struct running {
    struct running *next;
    struct replay_holder *holder; // NULL: it is not under way any more
    struct replay record;         // what it points to is in `text`
    struct buf text;
    uint64_t tag;
    uint64_t read_no;           // the source is read up to here
    bool is_read;               // to its end
    struct running *same_hash;  // in the table of those that run
    struct running *next_dirty; // in the list of these
    bool is_dirty;              // the record is not as it was said last
    struct candidate ahead[REPLAY_AHEAD];
    size_t n_ahead, i_ahead;
    uint64_t open[REPLAY_OPEN_MAX]; // numbers of what is in flight
    size_t n_open;
    double tokens;
    int64_t tokens_at_us;
    // Counting, before it runs:
    uint64_t n_found;
    uint64_t n_gone; // the payload was removed
    // Of one that is about events that the hook never got:
    struct match_index *index;  // of this hook alone
    struct number_set pending;  // what waits for its first attempt
    struct due_row pending_row; // the last one that was read
    bool are_pending_read;
};

// --- replay_source.c ---

// A copy of the record. Free it with running_free().
struct running *running_new(const struct replay *record);
void running_free(struct running *r);
// Lets go of what is read again when it runs.
void running_slim(struct running *r);

// Counts one more replay of an organization, until all that joined have left. Whoever
// holds it is told by `*place`.
struct replay_holder *replay_hold(struct dispatcher *d, uint64_t org_no);
void replay_join(struct replay_holder **place, struct replay_holder *holder);
void replay_leave(struct replay_holder **place); // also if it is of none

// Reads some, until then (monotonic): `n_ahead` grows, or `is_read` is set, or
// neither yet. Needs room.
void source_read(struct dispatcher *d, struct running *r,
                 const struct followed *f, int64_t until_us);

// --- replay_jobs.c ---

void jobs_run(struct dispatcher *d); // a little of what is counted

// --- replays.c ---

void replays_add(struct dispatcher *d, struct running *r);
void replays_end(struct dispatcher *d, struct running *r,
                 enum replay_state state);
// Its record has changed. Returns what d->n_replays_said will be, at most, when the
// record is said.
uint64_t replays_touch(struct dispatcher *d, struct running *r);
void replays_go_on(struct dispatcher *d); // there is something to do

#endif
