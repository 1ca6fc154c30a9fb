// SPDX-License-Identifier: MIT
// replay_progress.h — the replays that run, and how far each of them is.

#ifndef ENGINE_DISPATCHER_RECORD_REPLAY_PROGRESS_H
#define ENGINE_DISPATCHER_RECORD_REPLAY_PROGRESS_H

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
    uint64_t org_id;
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

// An attempt of one has ended, or one of its deliveries is settled.
void replays_settled(struct dispatcher *d, struct delivery *dv,
                     enum delivery_state state);
void replays_say(struct dispatcher *d); // what changed, to d->open_batch

// A copy of the record. Free it with running_free().
struct running *running_new(const struct replay *record);
void running_free(struct running *r);

// Lets go of what is read again when it runs.
void running_slim(struct running *r);

// Counts one more replay of an organization, until all that joined have left. Whoever
// holds it is told by `*place`.
struct replay_holder *replay_hold(struct dispatcher *d, uint64_t org_id);
void replay_join(struct replay_holder **place, struct replay_holder *holder);
void replay_leave(struct replay_holder **place); // also if it is of none
void replays_add(struct dispatcher *d, struct running *r);
void replays_end(struct dispatcher *d, struct running *r,
                 enum replay_state state);

// Its record has changed. Returns what d->n_replays_said will be, at most, when the
// record is said.
uint64_t replays_touch(struct dispatcher *d, struct running *r);

// Takes it out of the table of those that run; it is freed by the caller.
void replays_take_out(struct dispatcher *d, const struct running *r);

// Puts it behind the others.
void replays_append(struct dispatcher *d, struct running *r);

// One of its deliveries has come to this.
void replays_count(struct dispatcher *d, struct running *r,
                   enum delivery_state state);

#endif
