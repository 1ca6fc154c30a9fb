// SPDX-License-Identifier: MIT
// lmdb_clock.h — the clock by which leases of a journal in LMDB end.

#ifndef QUEUE_JOURNAL_LMDB_CLOCK_H
#define QUEUE_JOURNAL_LMDB_CLOCK_H

#include <stdint.h>

// A test has its own.
struct journal_lmdb_clock {
    int64_t (*now_ms)(void *data); // goes on while the machine sleeps
    void *data;
    const char
        *boot_id; // another one: the clock began anew, and all leases ended
};

#endif
