// SPDX-License-Identifier: MIT
// child.h — work in a child process, so that what ends it ends nothing else. Part of
// queue.h, which is what to include outside of queue/.

#ifndef QUEUE_LMDB_CHILD_H
#define QUEUE_LMDB_CHILD_H

#include <stdbool.h>

#include "common/base/buf.h"
#include "common/base/err.h"

// What a child process does: returns the result, and puts bytes for its parent.
// Whatever else it changes in memory is lost.
typedef enum err (*queue_step)(void *data, struct buf *out);

// Runs `step` in a child, so that what ends it (a page that is damaged, a file
// that is cut off) does not end this process, and waits. For a process that has
// opened none of the environments that the child opens. When `is_unwanted` (may be
// NULL) says so, the child gets SIGINT. ERR_CORRUPT with a sentence in `why`: it
// was ended by what it read. ERR_IO: no child, or, with a sentence, it was ended by
// somebody.
MUST_CHECK enum err queue_apart(queue_step step, void *data,
                                bool (*is_unwanted)(void), struct buf *out,
                                struct buf *why);

#endif
