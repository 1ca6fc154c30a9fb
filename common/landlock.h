// landlock.h — the file system as a sender sees it (Linux 5.13 and later).

#ifndef COMMON_LANDLOCK_H
#define COMMON_LANDLOCK_H

#include <stdbool.h>

#include "common/buf.h"

// From now on this process, and its threads, may only read what resolving names
// and verifying certificates need, and what the kernel tells of the process
// itself; nothing can be written, made or run. Nor may it listen (6.7), or send
// signals to others (6.12). False: the kernel has no Landlock.
bool landlock_files_of_resolver(void);

// Whether a single file that could be read has been replaced since, or has come into
// being, so that it cannot be read now: a rule is about the file that was there.
bool landlock_is_stale(void);

// Whether senders may read what lies, or would lie, at this path. If so, appends to
// `where` the path of what they may read.
bool landlock_is_readable(const char *path, struct buf *where);

#endif
