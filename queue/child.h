// child.h — a step in a process of its own, so that whatever ends it (a page that
// is damaged, a file that is cut off) does not end this one.

#ifndef QUEUE_CHILD_H
#define QUEUE_CHILD_H

#include "common/buf.h"
#include "common/err.h"

// What the child does: the result, and text for `out`. Whatever else it changes
// in memory is lost.
typedef enum err (*child_step)(void *data, struct buf *out);

// Runs `step` in a child and waits for it. The process must not have opened any
// environment that the child opens. ERR_CORRUPT: it was ended by a signal, and
// `out` has a sentence without its end: "… was ended by …". ERR_IO: no child.
MUST_CHECK enum err child_run(child_step step, void *data, struct buf *out);

#endif
