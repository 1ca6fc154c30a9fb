// copy_target.h — where a copy or a repair of a data directory is made: whole, or not
// at all, and whose it is.
//
// Happy path: a temporary directory beside the target, filled, given to the target's
// owner, renamed to the target's name.
//
// If a file system is mounted at the target, or nothing may be made beside it: the
// temporary directory lies in the target, and what it holds is moved up, FORMAT last;
// the engine does not start with a directory that is not empty and has no FORMAT. The
// target is locked meanwhile, as an engine locks it.
// If that is killed between two moves: the next one begins by removing what it left.
//
// Where root reads somebody else's data directory, the reader has become that user and
// writes to WORK_NAME in the temporary directory, which is root's alone, so that nobody
// comes there by a name; root takes over what was made, after the reader has ended.
// All is done relative to directories that are held open: who owns the place may rename
// them, and lay links, and leads root nowhere with it.

#ifndef QUEUE_ADMIN_COPY_TARGET_H
#define QUEUE_ADMIN_COPY_TARGET_H

#include "common/base/err.h"
#include "queue/queue.h"

// The path to make it in; the caller frees it.
char *copy_temporary(const struct queue_copy_to *to);

#endif
