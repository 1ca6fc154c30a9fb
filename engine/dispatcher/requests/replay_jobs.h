// SPDX-License-Identifier: MIT
// replay_jobs.h — queries about replays: counting, answering, cancelling.

#ifndef ENGINE_DISPATCHER_REQUESTS_REPLAY_JOBS_H
#define ENGINE_DISPATCHER_REQUESTS_REPLAY_JOBS_H

#include "engine/dispatcher/loop/dispatcher.h"

void replays_on_query(struct dispatcher *d, const struct query *query);
void jobs_forget(struct dispatcher *d, uint64_t no);
void jobs_init(struct dispatcher *d);
bool jobs_any(const struct dispatcher *d);
// Whether a query about replays of the organization is not answered yet.
bool jobs_are_of(const struct dispatcher *d, uint64_t org_id);
void jobs_run(struct dispatcher *d); // does a slice of one job

#endif
