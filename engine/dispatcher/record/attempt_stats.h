// SPDX-License-Identifier: MIT
// attempt_stats.h — statistics of attempts, summed in memory between their commits.

#ifndef ENGINE_DISPATCHER_RECORD_ATTEMPT_STATS_H
#define ENGINE_DISPATCHER_RECORD_ATTEMPT_STATS_H

#include "engine/dispatcher/loop/dispatcher.h"

struct stats_row;

// Closed to other rooms.
struct attempt_stats {
    struct stats_row **rows; // hash table
    size_t n;
    int64_t flushed_us; // monotonic
    bool is_wanted;     // with the next commit
};

void attempt_stats_note(struct dispatcher *d, const struct attempt *attempt);

// Adds the statistics to d->open_batch if a flush is due, or `at_once`. Called last,
// when all attempts of this commit are noted.
void attempt_stats_flush(struct dispatcher *d, bool at_once);
// The next commit has all statistics.
void attempt_stats_want(struct dispatcher *d);
// Commits soon if there are statistics to flush.
void attempt_stats_on_second(struct dispatcher *d);
void attempt_stats_load(struct dispatcher *d); // counts what a crash left out

#endif
