// SPDX-License-Identifier: MIT
// files.h — creates and removes directories and files atomically.

#ifndef QUEUE_LMDB_FILES_H
#define QUEUE_LMDB_FILES_H

#include <stdbool.h>

#include "common/base/buf.h"
#include "common/base/err.h"

bool file_is_there(const char *path);

// Removes a directory with all its contents; succeeds if it does not exist. Follows
// links only on the way to `path`, even if others change the directory meanwhile.
MUST_CHECK enum err file_remove_tree(const char *path);
// Like file_remove_tree(), by name in an open directory; and all contents of an
// open directory.
MUST_CHECK enum err file_remove_at(int dir_fd, const char *name);
MUST_CHECK enum err file_remove_inside(int dir_fd);

// Makes a directory, mode 0700; succeeds if it exists.
MUST_CHECK enum err file_mkdir(const char *path);

// Makes a directory of that name, mode 0700, and opens it. `fd` is that directory,
// or at least an empty one of this user's: a user who may rename it can only
// exchange it. ERR_EXISTS. ERR_LOST: it was exchanged.
MUST_CHECK enum err file_mkdir_at(int dir_fd, const char *name, int *fd);
// Whether `name` in the directory is the file that `fd` has open.
bool file_is_at(int dir_fd, const char *name, int fd);

// Syncs a file, or a directory's entries, to disk.
MUST_CHECK enum err file_sync(const char *path);

// Renames, and syncs the directory that holds both names. A directory can replace
// only an empty one. ERR_EXISTS: something else is there. ERR_BUSY: a file system
// is mounted there.
MUST_CHECK enum err file_rename(const char *dir, const char *from,
                                const char *to);

// Like file_rename(), between open directories; the source directory is not synced.
MUST_CHECK enum err file_rename_at(int from_fd, const char *from, int to_fd,
                                   const char *to);

// Writes a small file atomically.
MUST_CHECK enum err file_write(const char *dir, const char *name,
                               const char *text);

#endif
