// SPDX-License-Identifier: MIT
// backlog.h — what waits for each hook and organization of a dispatcher's shard.

#ifndef ENGINE_DISPATCHER_RECORD_BACKLOG_H
#define ENGINE_DISPATCHER_RECORD_BACKLOG_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/dispatcher/loop/dispatcher.h"

void backlog_init(struct dispatcher *d);

// Begins to count what waits. Must be called before the first commit. Until counting is
// done, hooks that are deleted stay in the table.
void backlog_count(struct dispatcher *d);

// The hook's record is known: what waits for it counts for its organization.
void backlog_join(struct dispatcher *d, struct hook_state *f);

int64_t backlog_rows(const struct hook_state *f);   // that wait for it
uint64_t backlog_bytes(const struct hook_state *f); // of what waits for it
void backlog_on_commit(struct dispatcher *d);       // adds what it has moved
void backlog_on_link(struct dispatcher *d); // a new process knows no sums
void backlog_on_second(struct dispatcher *d);

#endif
