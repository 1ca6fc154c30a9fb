// SPDX-License-Identifier: MIT
// output.h — a file that a command writes for its caller.
//
// Only its owner can read it (0600), whatever the umask says: files that commands write
// may hold secrets. The file exists whole or not at all, and a link in its place is not
// followed.

#ifndef API_CLI_CORE_OUTPUT_H
#define API_CLI_CORE_OUTPUT_H

#include <stdbool.h>
#include <stdio.h>

#include "api/cli/core/options.h"

struct output {
    FILE *file;
    const char *path; // borrowed
    char *temporary;  // owned: its name until it is complete
};

// Begins a file that will be `path`; an existing file stays until output_end(). False:
// it cannot be written, or `path` is not a file (but a directory, a device, a link);
// stderr has the reason.
bool output_begin(const struct args *args, const char *path, struct output *o);

// Ends the file: with `is_good` it is synced and replaces an existing file, else it is
// removed. False: there is no new file; stderr has the reason, unless `is_good` was
// false.
bool output_end(const struct args *args, struct output *o, bool is_good);

#endif
