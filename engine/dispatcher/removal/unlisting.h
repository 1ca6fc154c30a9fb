// SPDX-License-Identifier: MIT
// unlisting.h — removes rows of the list of events whose events have left the log.

#ifndef ENGINE_DISPATCHER_REMOVAL_UNLISTING_H
#define ENGINE_DISPATCHER_REMOVAL_UNLISTING_H

#include "common/base/buf.h"
#include "engine/dispatcher/loop/dispatcher.h"

// Where the walk through the list is. All zeros: at its beginning.
struct unlisting {
    struct buf at; // the key of the last row that was looked at
};

// Looks at some rows, from where the last call ended, and deletes those of which no event
// is in the log with the next commit. `before_us`: retention keeps younger events (UTC
// epoch). True: there were many to delete, so call it again soon.
bool unlisting_work(struct dispatcher *d, struct unlisting *u,
                    int64_t before_us);

#endif
