// SPDX-License-Identifier: MIT
// header_file.h — a file of HTTP header lines, whose values may be secrets.

#ifndef COMMON_FILES_HEADER_FILE_H
#define COMMON_FILES_HEADER_FILE_H

#include "common/base/err.h"

#define HEADER_FILE_BYTES 8192
#define HEADER_LINES_MAX  16

struct header_file {
    char text[HEADER_FILE_BYTES];
    const char *lines[HEADER_LINES_MAX]; // "Name: value", in `text`
    unsigned n;
};

// Reads lines "Name: value"; empty ones, and those that begin with #, do not count.
// ERR_NOTFOUND, ERR_DENIED, ERR_INVALID: `why` says what is wrong, in words that follow the
// path; they stay valid until the next call.
MUST_CHECK enum err header_file_read(const char *path, struct header_file *out,
                                     const char **why);

#endif
