// SPDX-License-Identifier: MIT
// journal_mean.h — a journal in memory that is as mean as queue/journal/journal.h allows:
// many handles over one world, whose faults follow from a seed.
//
// Used by one thread alone, a world does exactly the same for the same seed. Any number of
// threads may use it. Leases end by a clock that only mean_advance_ms() moves.

#ifndef TESTS_SUPPORT_JOURNAL_MEAN_H
#define TESTS_SUPPORT_JOURNAL_MEAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "queue/journal/journal.h"

// How often each fault happens, in thousandths of the operations that it fits.
struct mean_faults {
    // What journal.h allows.
    uint16_t lose_answer;  // done, but ERR_AGAIN
    uint16_t lose_request; // not done, and ERR_AGAIN
    uint16_t
        late; // ERR_AGAIN; done at a later operation, if it then still can be
    uint16_t full;      // ERR_FULL
    uint16_t delay;     // sleeps up to `delay_max_us` first
    uint16_t lag;       // a reader or watcher finds nothing yet
    uint16_t repeat;    // a reader or watcher gets again what it had
    uint16_t partial;   // a watcher gets a part of what there is
    uint16_t off_chain; // a refused entry comes to readers
    uint16_t gone_soon; // ERR_GONE when only the last one read was removed
    uint16_t drift;     // a lease ends up to a third earlier or later
    // What it forbids, for tests of tests.
    uint16_t bad_ack;      // an entry is acknowledged, and not stored
    uint16_t bad_winner;   // a second append with the same `after` succeeds
    uint16_t bad_conflict; // stored, though the answer was ERR_FULL
    uint16_t bad_skip;     // a reader passes over an entry
    uint16_t bad_order;    // a reader gets two entries in the wrong order
    uint16_t bad_bytes;    // an entry comes with other bytes
    uint16_t bad_trim;     // trims the last entry, too
    uint16_t bad_value;    // a watcher passes over a value
    uint16_t bad_put;      // a value is set though its revision is another one
    uint16_t bad_lease;    // a lease is taken though somebody holds it
    uint16_t bad_term;     // a lease gets the same term again
    uint16_t bad_request;  // a request is worked on twice
    unsigned delay_max_us;
};

extern const struct mean_faults mean_no_faults;
extern const struct mean_faults mean_all_faults; // that journal.h allows, often

struct mean_world;

// The world is the caller's until mean_world_free(), before which all handles are closed.
struct mean_world *mean_world_new(uint64_t seed, const struct mean_faults *f);
void mean_world_free(struct mean_world *w);

// From now on these faults happen.
void mean_set_faults(struct mean_world *w, const struct mean_faults *f);

// A handle, which journal_close() ends. `name` is for messages, and copied.
struct journal *mean_open(struct mean_world *w, const char *name);

// Cuts a handle off, or joins it again: all it asks is ERR_AGAIN, and nobody reaches what it
// serves.
void mean_cut(struct journal *j, bool is_cut);

// Moves the clock by which leases end.
void mean_advance_ms(struct mean_world *w, int64_t ms);

// The truth: the i-th entry that was ever accepted in the chain, also if it was trimmed.
// `out->bytes` is borrowed until the world ends. False: the chain has i entries or fewer.
bool mean_truth(struct mean_world *w, unsigned chain, size_t i,
                struct journal_entry *out);

#endif
