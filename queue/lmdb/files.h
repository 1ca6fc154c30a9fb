// SPDX-License-Identifier: MIT
// files.h — directories that are there whole or not at all.

#ifndef QUEUE_LMDB_FILES_H
#define QUEUE_LMDB_FILES_H

#include <stdbool.h>

#include "common/base/buf.h"
#include "common/base/err.h"

bool file_is_there(const char *path);

// Removes a directory with all it holds; fine if it is not there. Goes through no link
// but those that lead to `path`, also while somebody changes what is there.
MUST_CHECK enum err file_remove_tree(const char *path);
// By its name in a directory that is open, and all that such a directory holds.
MUST_CHECK enum err file_remove_at(int dir_fd, const char *name);
MUST_CHECK enum err file_remove_inside(int dir_fd);

// Makes a directory, mode 0700; fine if it is there.
MUST_CHECK enum err file_mkdir(const char *path);

// Makes a directory of that name, mode 0700, and opens it. It is this very one, or at
// least an empty one of this user's: who may rename it can do no more than exchange it.
// ERR_EXISTS. ERR_LOST: it was exchanged.
MUST_CHECK enum err file_mkdir_at(int dir_fd, const char *name, int *fd);
// Whether what has that name is what `fd` is of.
bool file_is_at(int dir_fd, const char *name, int fd);

// Syncs a file, or a directory's entries, to the disk.
MUST_CHECK enum err file_sync(const char *path);

// Renames and syncs the directory that holds both. A directory takes the place of an
// empty one only. ERR_EXISTS: something else is there. ERR_BUSY: a file system is.
MUST_CHECK enum err file_rename(const char *dir, const char *from,
                                const char *to);

// The same between directories that are open; what it comes from is not synced.
MUST_CHECK enum err file_rename_at(int from_fd, const char *from, int to_fd,
                                   const char *to);

// Writes a small file so that it is there whole or not at all.
MUST_CHECK enum err file_write(const char *dir, const char *name,
                               const char *text);

#endif
