// SPDX-License-Identifier: MIT
// due_time.h — the time that due rows are compared with.

#ifndef ENGINE_DISPATCHER_LOOP_DUE_TIME_H
#define ENGINE_DISPATCHER_LOOP_DUE_TIME_H

#include "engine/dispatcher/loop/dispatcher.h"

// The clock that due times are compared with.
int64_t due_now_ms(struct dispatcher *d);
// An event was accepted at this time (UTC epoch); see due_clock_saw().
void due_saw_ms(struct dispatcher *d, int64_t at_ms);

#endif
