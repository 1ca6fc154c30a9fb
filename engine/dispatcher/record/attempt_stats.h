// SPDX-License-Identifier: MIT
// attempt_stats.h — statistics of attempts, summed in memory between their commits.

#ifndef ENGINE_DISPATCHER_RECORD_ATTEMPT_STATS_H
#define ENGINE_DISPATCHER_RECORD_ATTEMPT_STATS_H

#include "engine/dispatcher/loop/dispatcher.h"

void attempt_stats_note(struct dispatcher *d, const struct attempt *attempt);

// Adds the statistics to d->open_batch if a flush is due, or `at_once`. Called last,
// when all attempts of this commit are noted.
void attempt_stats_flush(struct dispatcher *d, bool at_once);
void attempt_stats_load(struct dispatcher *d); // counts what a crash left out

#endif
