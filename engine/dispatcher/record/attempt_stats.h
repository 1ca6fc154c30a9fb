// attempt_stats.h — statistics of attempts, from one commit of them to the next.

#ifndef ENGINE_DISPATCHER_RECORD_ATTEMPT_STATS_H
#define ENGINE_DISPATCHER_RECORD_ATTEMPT_STATS_H

#include "engine/dispatcher/schedule/schedule.h"

void tally_note(struct dispatcher *d, const struct attempt *attempt);

// Says it to d->filling, last of all, if it is time.
void tally_flush(struct dispatcher *d, bool at_once);
void tally_load(struct dispatcher *d); // what a crash left out

#endif
