// SPDX-License-Identifier: MIT
// small_file.h — files of a few lines: keys, tokens, notes.

#ifndef COMMON_FILES_SMALL_FILE_H
#define COMMON_FILES_SMALL_FILE_H

#include <stddef.h>
#include <sys/types.h>

#include "common/base/err.h"

// Where the file lies that `path` names: a link of root's or of this user is hook_state.
// Another user's is not, since it could lead to any file of root's. The caller frees it.
char *small_file_place(const char *path);

// Reads it whole into `text` and ends that with a NUL. Never waits, whatever lies
// there, and reads nothing but a file; links as of small_file_place(). `mode` (may be
// NULL) gets what others may do. ERR_NOTFOUND; ERR_DENIED; ERR_INVALID: it is no file,
// or has `room` bytes or more. On an error `why` says what is wrong, in words that
// follow the path; it stays good until the next call.
MUST_CHECK enum err small_file_read(const char *path, char *text, size_t room,
                                    mode_t *mode, const char **why);

#endif
