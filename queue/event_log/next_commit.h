// SPDX-License-Identifier: MIT
// next_commit.h — which of the waiting appends go into the next commit.

#ifndef QUEUE_EVENT_LOG_NEXT_COMMIT_H
#define QUEUE_EVENT_LOG_NEXT_COMMIT_H

#include <stdbool.h>

#include "queue/event_rows/append.h"

struct event_log;

// Puts an append at the end of those that wait.
void next_commit_add(struct event_log *log, struct append *a);

// Moves appends from log->waiting to log->batch, and says in log->parts whether the
// commit works on a post in parts. False: there is nothing to commit.
bool next_commit_choose(struct event_log *log);

#endif
