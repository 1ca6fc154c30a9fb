// SPDX-License-Identifier: MIT
// journal_contract.h — what queue/journal/journal.h promises, as a suite for each of its
// implementations.

#ifndef TESTS_SUPPORT_JOURNAL_CONTRACT_H
#define TESTS_SUPPORT_JOURNAL_CONTRACT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "queue/journal/journal.h"

struct journal_contract_case {
    // Opens one more handle on the same world; the suite closes it. NULL: it failed,
    // which counts as a fault.
    struct journal *(*open)(void *data);
    void *data;
    // Moves the clock of leases; NULL: it cannot be moved, and leases that end by
    // themselves are tried only with `waits_for_leases`, which takes a minute.
    void (*advance_ms)(void *data, int64_t ms);
    bool waits_for_leases;
    uint64_t seed; // of what is done, in which order
    // Keys, leases and addresses begin with it: one that the world has not seen yet. Up
    // to 32 bytes of a valid name.
    const char *prefix;
    // The suite uses the numbers `chain` and `chain` + 1, whatever is in them already;
    // nobody else writes to them meanwhile.
    unsigned chain;
    unsigned n_operations; // of the random part; 0: 300
    // Any operation may fail with ERR_AGAIN or ERR_FULL; readers and watchers may lag, and
    // leases end up to a third earlier or later. Otherwise these are faults.
    bool has_faults;
    int64_t
        wait_ms; // for an operation that should succeed; what waits for another
                 // thread is tried if it is a second or more
    int64_t look_ms; // for one that should find nothing
};

// All of the suite. Appends a line to `faults` for each promise that is not kept, and stops
// after a few. True: all are kept.
bool journal_contract(const struct journal_contract_case *c,
                      struct buf *faults);

// Its parts: each promise by itself; threads that race; and random operations of several
// handles, taken in turns by one thread, against a model: `n_operations` of them.
bool journal_contract_promises(const struct journal_contract_case *c,
                               struct buf *faults);
bool journal_contract_race(const struct journal_contract_case *c,
                           struct buf *faults);
bool journal_contract_random(const struct journal_contract_case *c,
                             struct buf *faults);

#endif
