// SPDX-License-Identifier: MIT
// batches.h — requests of many events, read a little in each turn of the loop, so that
// others are answered meanwhile.

#ifndef ENGINE_INGEST_BATCHES_H
#define ENGINE_INGEST_BATCHES_H

#include <uv.h>

#include "common/process/blame.h"
#include "engine/ingest/event_parser.h"

struct batch {
    struct batch *next; // private
    struct intake intake;
    struct intake_lines lines;
    struct arena *arena; // borrowed, as what `intake` points to and the text
    struct blamed blamed;
    void *data; // for the owner
};

// OK: all lines are read. Else `why` says what is wrong with one. The batch is the
// owner's again.
typedef void (*batch_read)(struct batch *b, enum err err, struct str why);

struct batches {
    struct batch *first, *last;
    uv_idle_t turns; // active while there are any
    batch_read done;
};

void batches_init(struct batches *all, uv_loop_t *loop, batch_read done);

// Reads a batch that intake_lines_begin() has begun; `done` is called back within, or
// later.
void batches_add(struct batches *all, struct batch *b);

#endif
