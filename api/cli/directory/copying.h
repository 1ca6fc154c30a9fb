// SPDX-License-Identifier: MIT
// copying.h — what backup, restore and repair have in common: they read a data directory
// and make another one.

#ifndef API_CLI_DIRECTORY_COPYING_H
#define API_CLI_DIRECTORY_COPYING_H

#include "api/cli/core/options.h"
#include "common/files/owner.h"
#include "queue/queue.h"

// All functions here print to stderr what is wrong.

// Opens the data directory that is read; messages call it `from`. Free `out` with
// owner_release().
MUST_CHECK bool copying_hold(const struct args *args, const char *from,
                             struct owner *out);
// Takes the rights of the directory's owner, in the process that reads it: root would
// follow any link in it.
MUST_CHECK enum err copying_become(const struct args *args, const char *name,
                                   const struct owner *owner);

// Whether this version reads the directory's format.
MUST_CHECK bool copying_knows(const struct args *args, const char *from);
// Whether a new directory can be made at `to`; messages call it `what`.
MUST_CHECK bool copying_is_new(const struct args *args, const char *what,
                               const char *to);

// Call queue_copy_begin() and queue_copy_end(), and print errors.
MUST_CHECK bool copying_begin(const struct args *args,
                              const struct owner *owner, const char *to,
                              struct queue_copy_to *out);
void copying_end(struct queue_copy_to *to);

// Reports an error of making `to`; returns the exit status.
int copying_failed(const struct args *args, const char *from, const char *to,
                   enum err err);

#endif
