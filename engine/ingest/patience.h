// SPDX-License-Identifier: MIT
// patience.h — waiting with a time limit, for many at once.
//
// All in a list have the same limit, so the first in the list reaches it first.

#ifndef ENGINE_INGEST_PATIENCE_H
#define ENGINE_INGEST_PATIENCE_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "common/base/list.h"

struct patient { // embedded in what waits
    struct list_node node;
    int64_t until_us; // monotonic
    void *data;
    bool is_waiting;
};

// Closed to other rooms.
struct patience {
    struct list waiting; // the one that reaches its limit first is first
    uv_timer_t timer;    // runs while the list is not empty
    int64_t limit_us;
    void (*on_over)(void *data); // the patient has left the list before
};

void patience_init(struct patience *p, uv_loop_t *loop, int64_t limit_us,
                   void (*on_over)(void *data));

// Begins to wait. on_over(data) runs after the limit, up to a quarter of a second late,
// unless patience_end() is called before.
void patience_begin(struct patience *p, struct patient *who, void *data);

// Ends the wait. Does nothing if the patient is not waiting.
void patience_end(struct patience *p, struct patient *who);

#endif
