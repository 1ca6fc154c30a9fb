// SPDX-License-Identifier: MIT
// replay_jobs.h — replays that are asked for: counted, answered, cancelled.

#ifndef ENGINE_DISPATCHER_REQUESTS_REPLAY_JOBS_H
#define ENGINE_DISPATCHER_REQUESTS_REPLAY_JOBS_H

#include "engine/dispatcher/schedule/schedule.h"

void replays_on_ask(struct dispatcher *d, const struct query *ask);
void jobs_forget(struct dispatcher *d, uint64_t no);
void jobs_run(struct dispatcher *d); // a little of what is counted

#endif
