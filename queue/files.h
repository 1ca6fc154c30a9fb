// files.h — directories that are there whole or not at all.

#ifndef QUEUE_FILES_H
#define QUEUE_FILES_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/err.h"

bool file_is_there(const char *path);

// Removes a directory with all it holds; fine if it is not there.
MUST_CHECK enum err file_remove_tree(const char *path);

// Makes a directory, mode 0700; fine if it is there.
MUST_CHECK enum err file_mkdir(const char *path);

// Makes a directory that nobody else has, mode 0700: the path ends in XXXXXX, which
// becomes something else. ERR_NOTFOUND: it would lie in nothing.
MUST_CHECK enum err file_mkdtemp(char *path);

// Syncs a file, or a directory's entries, to the disk.
MUST_CHECK enum err file_sync(const char *path);

// Renames and syncs the directory that holds both. A directory takes the place of an
// empty one only. ERR_EXISTS: something else is there. ERR_BUSY: a file system is.
MUST_CHECK enum err file_rename(const char *dir, const char *from,
                                const char *to);

// Writes a small file so that it is there whole or not at all.
MUST_CHECK enum err file_write(const char *dir, const char *name,
                               const char *text);

#endif
