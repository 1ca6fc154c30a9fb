// SPDX-License-Identifier: MIT
// landlock.h — restricts what roles can do in the file system (Linux 5.13 and
// later).

#ifndef COMMON_PROCESS_LANDLOCK_H
#define COMMON_PROCESS_LANDLOCK_H

#include <stdbool.h>

#include "common/base/buf.h"
#include "common/config/config.h"
#include "common/process/role_kind.h"

// Whether the kernel has Landlock.
bool landlock_is_there(void);

// From now on this process and its threads may only read what name resolution and
// certificate verification need, and what the kernel reports about the process
// itself; they can write, make or run nothing. Nor may they listen (6.7), or send
// signals to other processes (6.12). False: the kernel has no Landlock.
bool landlock_files_of_resolver(void);

// Like landlock_files_of_resolver(), for a role that works on the data directory:
// it may change that directory, and read what libraries need, what lies beside the
// files that settings name, and what the kernel reports about processes. It may read the
// keys of payloads, and, as ingest, make and remove them; as the replicator, what the
// settings name for the cluster.
bool landlock_data_dir(const struct config *config, enum role_kind kind);

// Whether a file that this process may read was replaced, or created, since the
// restriction, so that it cannot be read now: a rule applies to the file that
// existed then.
bool landlock_is_stale(void);

// Whether senders may read a file at this path, whether or not it exists. If so,
// appends to `where` the path that they may read.
bool landlock_is_readable(const char *path, struct buf *where);

#endif
