// SPDX-License-Identifier: MIT
// restore_target.h — where `posthorn restore` puts a data directory, and whose it is.

#ifndef API_CLI_DIRECTORY_RESTORE_TARGET_H
#define API_CLI_DIRECTORY_RESTORE_TARGET_H

#include "api/cli/core/options.h"
#include "common/config/config.h"
#include "queue/queue.h"

// Returns the path where the directory will be, without links; the caller frees it.
// NULL: it cannot be there; stderr has the reason. An empty directory at that path is
// replaced at the end, and the new one keeps its owner and mode. Where it cannot be
// replaced, since a file system is mounted there or nothing can be created beside it,
// it is filled. A new directory gets the owner that the setting `user` names, else that
// of the directory above, else the account posthorn.
char *restore_target(const struct args *args, const struct config *config,
                     const char *wanted, struct queue_copy_to *out);

// Sets the owner of a repaired directory: that of the damaged one.
void repair_owner(const char *data_dir, struct queue_copy_to *out);

// The path without slashes at its end; the caller frees it.
char *target_clean(const char *path);

#endif
