// SPDX-License-Identifier: MIT
// erasure_mark.h — how far the erasure of an organization is in one environment. Part of
// queue.h, which is what to include outside of queue/.

#ifndef QUEUE_ERASURE_ERASURE_MARK_H
#define QUEUE_ERASURE_ERASURE_MARK_H

#include <stdbool.h>
#include <stdint.h>

#include "common/encoding/id.h"

// Of the last erasure that was worked on here. Zeros: none was.
struct erasure_mark {
    struct id id; // the erasure's: random, so that a repair cannot mistake it
    uint64_t n_removed;
    bool is_done; // nothing of the organization is left here
};

// Whether the environment has nothing of this erasure's organization any more.
static inline bool erasure_mark_is_done(const struct erasure_mark *mark,
                                        const struct id *id)
{
    return mark->is_done && id_eq(&mark->id, id);
}

#endif
