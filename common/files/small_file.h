// SPDX-License-Identifier: MIT
// small_file.h — files of a few lines: keys, tokens, notes.

#ifndef COMMON_FILES_SMALL_FILE_H
#define COMMON_FILES_SMALL_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/base/err.h"
#include "common/base/str.h"

// Resolves `path` to the file itself: follows a link that belongs to root or to
// this user. Does not follow another user's link, which could lead to any file of
// root's. The caller frees the result.
char *small_file_resolve(const char *path);

// Reads a whole file into `text` and ends it with a NUL. Never blocks, and reads
// regular files only; follows links as small_file_resolve() does. `mode` (may be
// NULL) gets the file's permissions. ERR_NOTFOUND; ERR_DENIED; ERR_INVALID: it is
// not a regular file, or has `room` bytes or more. On an error `why` says what is
// wrong, in words that follow the path; they stay valid until the next call.
MUST_CHECK enum err small_file_read(const char *path, char *text, size_t room,
                                    mode_t *mode, const char **why);

// Writes all of `text`, however often that is interrupted. False: errno says why; some of it
// may have been written.
bool small_file_write(int fd, struct str text);

#endif
