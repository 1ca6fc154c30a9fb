// SPDX-License-Identifier: MIT
// patience.h — what waits for something, and for how long at most.
//
// All of a list have the same patience, so the first is the next to lose it.

#ifndef ENGINE_INGEST_PATIENCE_H
#define ENGINE_INGEST_PATIENCE_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct patient { // part of what waits
    struct patient *prev, *next;
    int64_t until_us; // monotonic
    void *data;
    bool is_waiting;
};

struct patience {
    struct patient *first, *last;
    uv_timer_t timer; // runs while there is somebody
    int64_t limit_us;
    void (*on_over)(void *data); // of a patient that is not waiting any more
};

void patience_init(struct patience *p, uv_loop_t *loop, int64_t limit_us,
                   void (*on_over)(void *data));

// Waits from now on. on_over(data) runs after the limit, and up to a quarter of
// a second later, unless patience_end() comes first.
void patience_begin(struct patience *p, struct patient *who, void *data);

// Fine for one that is not waiting.
void patience_end(struct patience *p, struct patient *who);

#endif
