// SPDX-License-Identifier: MIT
// batches.h — requests of many events, read a little in each turn of the loop, so that
// other requests are answered meanwhile.

#ifndef ENGINE_INGEST_BATCHES_H
#define ENGINE_INGEST_BATCHES_H

#include <uv.h>

#include "common/base/list.h"
#include "common/process/blame.h"
#include "engine/ingest/event_parser.h"

// Closed to other rooms.
struct batch {
    struct list_node node; // private
    struct event_parser parser;
    struct event_lines lines;
    struct arena *arena; // borrowed; so is what `parser` points to
    struct blamed blamed;
    void *data; // for the owner
};

// OK: all lines are read. Any other error: `why` says what is wrong with a line. The
// batch belongs to its owner again.
typedef void (*batch_read)(struct batch *b, enum err err, struct str why);

// Closed to other rooms.
struct batches {
    struct list waiting;
    uv_idle_t turns; // active while batches wait
    batch_read done;
};

void batches_init(struct batches *all, uv_loop_t *loop, batch_read done);

// Reads a batch that event_lines_begin() has begun. `done` is called before this
// returns, or later.
void batches_add(struct batches *all, struct batch *b);

#endif
