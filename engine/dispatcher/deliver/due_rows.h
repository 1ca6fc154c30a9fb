// SPDX-License-Identifier: MIT
// due_rows.h — due rows into memory, and back.

#ifndef ENGINE_DISPATCHER_DELIVER_DUE_ROWS_H
#define ENGINE_DISPATCHER_DELIVER_DUE_ROWS_H

#include "engine/dispatcher/schedule/schedule.h"

// Reads some of the rows that are due into the line.
void due_rows_load(struct hook_state *f);

// All that waits for this hook goes into the index and leaves the memory. It is
// read again once it is committed.
void due_rows_spill(struct hook_state *f);

#endif
