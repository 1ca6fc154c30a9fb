// SPDX-License-Identifier: MIT
// restore_target.h — where `posthorn restore` puts a data directory, and whose it is.

#ifndef API_CLI_DIRECTORY_RESTORE_TARGET_H
#define API_CLI_DIRECTORY_RESTORE_TARGET_H

#include "api/cli/core/options.h"
#include "common/config/config.h"
#include "queue/queue.h"

// The path where the directory is to be, without links, which the caller frees; NULL:
// said why it cannot be there. An empty directory gives way at the end and keeps its
// owner and mode; one that cannot give way, since a file system is mounted there or
// nothing may be made beside it, is filled. A new one gets the owner of the setting
// `user`, else of the directory above, else the account posthorn.
char *restore_target(const struct args *args, const struct config *config,
                     const char *wanted, struct queue_copy_to *out);

// A repair makes a directory for whom the damaged one belongs to.
void repair_owner(const char *data_dir, struct queue_copy_to *out);

// The path without slashes at its end; the caller frees it.
char *target_clean(const char *path);

#endif
