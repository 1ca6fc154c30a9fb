// SPDX-License-Identifier: MIT
// embedded.h — files that are part of the program, as api/embed.cmake lists them.

#ifndef API_CORE_EMBEDDED_H
#define API_CORE_EMBEDDED_H

#include <stddef.h>

#include "common/base/str.h"

struct embedded_file {
    const char *path;   // "screens/hooks.js"
    const char *type;   // for Content-Type
    const char *hash;   // of the content, as text
    struct str content; // the file as it is
    struct str gzip; // the same, packed; empty: packing did not make it smaller
};

#endif
