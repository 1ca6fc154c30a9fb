// SPDX-License-Identifier: MIT
// output.h — a file that a command writes for who called it.
//
// It is for its owner alone (0600), whatever the umask says: what commands write
// may hold secrets. It is there whole or not at all, and a link that somebody
// laid in its place is not hook_state.

#ifndef API_CLI_CORE_OUTPUT_H
#define API_CLI_CORE_OUTPUT_H

#include <stdbool.h>
#include <stdio.h>

#include "api/cli/core/options.h"

struct output {
    FILE *file;
    const char *path; // borrowed
    char *temporary;  // owned: what it is called until it is whole
};

// Begins a file that will be `path`; what is there stays until output_end().
// False, which is said on stderr: it cannot be written, or what is there is no
// file (a directory, a device, a link).
bool output_begin(const struct args *args, const char *path, struct output *o);

// Ends it: with `is_good` it is synced and replaces what was there, else nothing
// is left of it. False: it is not there, which is said on stderr unless it was
// not good.
bool output_end(const struct args *args, struct output *o, bool is_good);

#endif
