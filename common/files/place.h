// SPDX-License-Identifier: MIT
// place.h — where a path leads.

#ifndef COMMON_FILES_PLACE_H
#define COMMON_FILES_PLACE_H

#include <stdbool.h>

// Like realpath(), also for a path that does not exist yet. The caller frees it.
char *place_resolve(const char *path);

// Whether a resolved path is this resolved place, or lies in it.
bool place_holds(const char *place, const char *path);

#endif
