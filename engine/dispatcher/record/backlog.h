// SPDX-License-Identifier: MIT
// backlog.h — what waits for each hook and organization of a dispatcher's shard.

#ifndef ENGINE_DISPATCHER_RECORD_BACKLOG_H
#define ENGINE_DISPATCHER_RECORD_BACKLOG_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/dispatcher/schedule/schedule.h"

void backlog_init(struct dispatcher *d);

// Begins to count what waits. Before the first commit. Until it is counted, hooks that are
// deleted stay in the table.
void backlog_count(struct dispatcher *d);

// Its hook is known: what waits for it counts to an organization.
void backlog_join(struct dispatcher *d, struct hook_state *f);

uint64_t backlog_bytes(const struct hook_state *f); // what waits for it
void backlog_on_commit(struct dispatcher *d);       // what it has moved
void backlog_on_link(struct dispatcher *d);         // somebody knows nothing
void backlog_on_second(struct dispatcher *d);

#endif
