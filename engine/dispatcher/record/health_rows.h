// SPDX-License-Identifier: MIT
// health_rows.h — what is known of hooks across restarts: which of it has changed, and is
// written with the next commit.

#ifndef ENGINE_DISPATCHER_RECORD_HEALTH_ROWS_H
#define ENGINE_DISPATCHER_RECORD_HEALTH_ROWS_H

#include "engine/dispatcher/schedule/schedule.h"

// Running time of this shard's dispatchers in all; greater than 0.
int64_t health_ran_ms(const struct dispatcher *d);

// f->health is not what it was: it is written with the next commit.
void health_changed(struct dispatcher *d, struct hook_state *f);
void health_say(struct dispatcher *d); // what changed, to d->open_batch

// Adds f->health to d->open_batch at once.
void health_keep(struct dispatcher *d, const struct hook_state *f);

#endif
