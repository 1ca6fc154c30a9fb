// SPDX-License-Identifier: MIT
// replay_progress.h — the replays that run, and how far each has come.

#ifndef ENGINE_DISPATCHER_RECORD_REPLAY_PROGRESS_H
#define ENGINE_DISPATCHER_RECORD_REPLAY_PROGRESS_H

#include "engine/delivery/event_facts.h"
#include "engine/dispatcher/loop/dispatcher.h"

#define REPLAY_AHEAD    64 // candidates that are read ahead
#define REPLAY_OPEN_MAX 32 // attempts of one in flight

// A delivery that a replay is to send.
struct candidate {
    struct position position;
    uint64_t no; // its number in the replay's source
};

struct number_set {
    uint64_t *at; // owned; 0: free
    size_t n, room;
};

// One replay, of one hook or of many, that counts in its organization's share.
// Closed to other rooms.
struct replay_holder {
    struct shares *shares;
    uint64_t org_id;
    size_t n; // how many have joined
};

struct running {
    struct running *next;
    struct replay_holder *holder; // NULL: it is not under way any more
    struct replay record;         // it points into `text`
    struct buf text;
    uint64_t tag;
    uint64_t read_no;           // the source is read up to here
    bool is_read;               // the source is read to its end
    struct running *same_hash;  // in the table of replays that run
    struct running *next_dirty; // in the list of changed ones
    bool is_dirty;              // the record has changed, and is to be written
    struct candidate ahead[REPLAY_AHEAD];
    size_t n_ahead, i_ahead;
    uint64_t open[REPLAY_OPEN_MAX]; // numbers of what is in flight
    size_t n_open;
    double tokens;
    int64_t tokens_at_us;
    // Counting, before it runs:
    uint64_t n_found;
    uint64_t n_gone; // the payload was removed
    // For a replay of events that the hook never got:
    struct match_index *index;  // of this hook alone
    struct event_facts facts;   // of the event that is looked at
    struct number_set pending;  // deliveries that wait for their first attempt
    struct due_row pending_row; // the last one that was read
    bool are_pending_read;
};

void replays_init(struct dispatcher *d);

// An attempt made by a replay has begun.
void replays_sent(struct dispatcher *d);
uint32_t replays_n_sent(const struct dispatcher *d); // that are in flight

// The replay whose turn is next; NULL: there is none. They are chained by `next`.
struct running *replays_first(const struct dispatcher *d);
size_t replays_n(const struct dispatcher *d);
// Takes the first replay out of the order of turns.
struct running *replays_pop(struct dispatcher *d);

// Whether one more replay of this organization fits into the limit.
enum share replays_check(const struct dispatcher *d,
                         const struct share_limit *limit, uint64_t org_id,
                         bool is_admin);

// How many changes of records there were, and how many of them are in a batch.
uint64_t replays_n_changes(const struct dispatcher *d);
uint64_t replays_n_added(const struct dispatcher *d);

// An attempt made by a replay has ended, or a delivery of a replay is settled.
void replays_settled(struct dispatcher *d, struct delivery *dv,
                     enum delivery_state state);
void replays_add_changed(
    struct dispatcher *d); // adds what changed to d->open_batch

// A copy of the record. Free it with running_free().
struct running *running_new(const struct replay *record);
void running_free(struct running *r);

// Frees what will be read again when the replay runs.
void running_slim(struct running *r);

// Counts one more replay of an organization, until all that joined have left. `*place`
// is the holder that a replay has joined; NULL: none.
struct replay_holder *replay_hold(struct dispatcher *d, uint64_t org_id);
void replay_join(struct replay_holder **place, struct replay_holder *holder);
void replay_leave(struct replay_holder **place); // `*place` may be NULL
void replays_add(struct dispatcher *d, struct running *r);
void replays_end(struct dispatcher *d, struct running *r,
                 enum replay_state state);

// Whether a replay of the organization runs, or its record is to be written.
bool replays_are_of(const struct dispatcher *d, uint64_t org_id);

// The replay's record has changed. Returns a number: once replays_n_added() has reached
// it, the record is added to d->open_batch.
uint64_t replays_touch(struct dispatcher *d, struct running *r);

// Takes the replay out of the table of replays that run. The caller frees it.
void replays_take_out(struct dispatcher *d, const struct running *r);

// Puts the replay behind the others in the order of turns.
void replays_append(struct dispatcher *d, struct running *r);

// Counts a delivery of the replay that has come to this state.
void replays_count(struct dispatcher *d, struct running *r,
                   enum delivery_state state);

#endif
