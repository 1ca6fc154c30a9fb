// SPDX-License-Identifier: MIT
// snapshots.h — writes snapshots of the parts that this node owns, so that their chains do
// not grow without end.

#ifndef ENGINE_REPLICATOR_SNAPSHOTS_H
#define ENGINE_REPLICATOR_SNAPSHOTS_H

#include <stddef.h>

#include "queue/queue.h"

struct snapshots;

// Starts the thread. Ends the process if there is no thread. `hosts` is borrowed.
struct snapshots *snapshots_start(struct chain_host **hosts, size_t n_hosts);

// No other snapshot is begun; the thread may still be busy with one, which nobody waits for.
void snapshots_stop(struct snapshots *s);

#endif
