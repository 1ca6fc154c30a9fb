// SPDX-License-Identifier: MIT
// copying.h — what backup, restore and repair have in common: a data directory is read,
// and another one made.

#ifndef API_CLI_DIRECTORY_COPYING_H
#define API_CLI_DIRECTORY_COPYING_H

#include "api/cli/core/options.h"
#include "common/files/owner.h"
#include "queue/queue.h"

// All of them say on stderr what is wrong.

// The data directory that is read, known to people as `from`. owner_release() it.
MUST_CHECK bool copying_hold(const struct args *args, const char *from,
                             struct owner *out);
// In the process that reads it: who owns it reads it, since root would follow any link
// in it.
MUST_CHECK enum err copying_become(const struct args *args, const char *name,
                                   const struct owner *owner);

// Whether it is of a format that is read.
MUST_CHECK bool copying_knows(const struct args *args, const char *from);
// Whether a new directory can be made at `to`, which is named by `what`.
MUST_CHECK bool copying_is_new(const struct args *args, const char *what,
                               const char *to);

// queue_copy_begin() and queue_copy_end().
MUST_CHECK bool copying_begin(const struct args *args,
                              const struct owner *owner, const char *to,
                              struct queue_copy_to *out);
void copying_end(struct queue_copy_to *to);

// The exit status for an error of making `to`.
int copying_failed(const struct args *args, const char *from, const char *to,
                   enum err err);

#endif
