// SPDX-License-Identifier: MIT
// child.h — runs work in a child process, so that a crash ends only the child. Part
// of queue.h, which is what to include outside of queue/.

#ifndef QUEUE_LMDB_CHILD_H
#define QUEUE_LMDB_CHILD_H

#include <stdbool.h>

#include "common/base/buf.h"
#include "common/base/err.h"

// The work of a child process: returns the result, and puts bytes for its parent.
// All other changes that it makes in memory are lost.
typedef enum err (*queue_step)(void *data, struct buf *out);

// Runs `step` in a child and waits, so that a crash (on a damaged page, or a file
// that is cut off) does not end this process. This process must have opened none of
// the environments that the child opens. When `is_unwanted` (may be NULL) returns
// true, the child gets SIGINT. ERR_CORRUPT with a sentence in `why`: what the child
// read made it crash. ERR_IO: there was no child, or, with a sentence, another
// process ended it.
MUST_CHECK enum err queue_apart(queue_step step, void *data,
                                bool (*is_unwanted)(void), struct buf *out,
                                struct buf *why);

#endif
