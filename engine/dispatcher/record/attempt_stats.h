// SPDX-License-Identifier: MIT
// attempt_stats.h — statistics of attempts, from one commit of them to the next.

#ifndef ENGINE_DISPATCHER_RECORD_ATTEMPT_STATS_H
#define ENGINE_DISPATCHER_RECORD_ATTEMPT_STATS_H

#include "engine/dispatcher/schedule/schedule.h"

void attempt_stats_note(struct dispatcher *d, const struct attempt *attempt);

// Adds it to d->open_batch, last of all, if it is time.
void attempt_stats_flush(struct dispatcher *d, bool at_once);
void attempt_stats_load(struct dispatcher *d); // what a crash left out

#endif
