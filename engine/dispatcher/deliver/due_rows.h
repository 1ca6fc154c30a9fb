// SPDX-License-Identifier: MIT
// due_rows.h — due rows into memory, and back.

#ifndef ENGINE_DISPATCHER_DELIVER_DUE_ROWS_H
#define ENGINE_DISPATCHER_DELIVER_DUE_ROWS_H

#include "engine/dispatcher/loop/dispatcher.h"

// Reads some of the hook's due rows into its queue.
void due_rows_load(struct dispatcher *d, struct hook_state *f);

// Moves all deliveries that wait for this hook into the index, and out of memory. Their
// rows are read again after the commit.
void due_rows_spill(struct dispatcher *d, struct hook_state *f);

// The same, and also if nothing waits: until the commit, nothing of this hook overtakes
// the rows that are put with it.
void due_rows_restart(struct dispatcher *d, struct hook_state *f);

#endif
