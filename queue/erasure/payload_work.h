// SPDX-License-Identifier: MIT
// payload_work.h — what the owner of an environment has to do for orders to erase payloads.
// Part of queue.h, which is what to include outside of queue/.

#ifndef QUEUE_ERASURE_PAYLOAD_WORK_H
#define QUEUE_ERASURE_PAYLOAD_WORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/encoding/id.h"
#include "common/model/event.h"

#define PAYLOADS_AT_ONCE 64

struct payload_to_erase {
    struct position position;
    struct id event_id; // another event may have the position, after a restore
};

// A plain value.
struct payload_work {
    struct payload_to_erase erase[PAYLOADS_AT_ONCE];
    size_t n_erase;
    struct position forget[PAYLOADS_AT_ONCE]; // whose order is removed
    size_t n_forget;
    // The worker's: those before `at` are erased; of that one, the attempts before the
    // number `from_no` of the hook `from_hook`, but for damaged ones if `has_left`.
    size_t at;
    uint64_t from_hook, from_no;
    bool has_left;
};

// After a step that was undone.
static inline void payload_work_anew(struct payload_work *work)
{
    work->at = 0;
    work->from_hook = 0;
    work->from_no = 0;
    work->has_left = false;
}

#endif
