// SPDX-License-Identifier: MIT
// health_rows.h — the health of hooks, which outlives restarts: notes which has
// changed, and writes it with the next commit.

#ifndef ENGINE_DISPATCHER_RECORD_HEALTH_ROWS_H
#define ENGINE_DISPATCHER_RECORD_HEALTH_ROWS_H

#include "engine/dispatcher/loop/dispatcher.h"

// Closed to other rooms. hook_health.c makes it.
struct health_rows {
    struct hook_state *changed; // hooks whose health is to be written
};

// How long dispatchers of this shard have run in all; greater than 0.
int64_t health_ran_ms(const struct dispatcher *d);

// f->notes->health has changed: it is written with the next commit.
void health_changed(struct dispatcher *d, struct hook_state *f);
void health_rows_add(
    struct dispatcher *d); // adds what changed to d->open_batch

// Adds f->notes->health to d->open_batch at once.
void health_keep(struct dispatcher *d, const struct hook_state *f);

#endif
