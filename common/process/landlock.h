// SPDX-License-Identifier: MIT
// landlock.h — the file system as the roles see it (Linux 5.13 and later).

#ifndef COMMON_PROCESS_LANDLOCK_H
#define COMMON_PROCESS_LANDLOCK_H

#include <stdbool.h>

#include "common/base/buf.h"
#include "common/config/config.h"

// From now on this process, and its threads, may only read what resolving names
// and verifying certificates need, and what the kernel tells of the process
// itself; nothing can be written, made or run. Nor may it listen (6.7), or send
// signals to others (6.12). False: the kernel has no Landlock.
bool landlock_files_of_resolver(void);

// The same for a role that works on the data directory: that may be changed, and
// besides may be read what libraries need, what lies beside the files that settings
// name, and what the kernel tells of processes.
bool landlock_data_dir(const struct config *config);

// Whether a single file that could be read has been replaced since, or has come into
// being, so that it cannot be read now: a rule is about the file that was there.
bool landlock_is_stale(void);

// Whether senders may read what lies, or would lie, at this path. If so, appends to
// `where` the path of what they may read.
bool landlock_is_readable(const char *path, struct buf *where);

#endif
