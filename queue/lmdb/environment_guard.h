// SPDX-License-Identifier: MIT
// environment_guard.h — explains why a process ends when it meets a damaged page.
//
// LMDB maps its file and trusts its contents: a page that is cut off causes SIGBUS,
// a wrong number in a page causes SIGSEGV or a failed assertion. The process cannot
// continue then, but it reports which environment is damaged, and what to do.

#ifndef QUEUE_LMDB_ENVIRONMENT_GUARD_H
#define QUEUE_LMDB_ENVIRONMENT_GUARD_H

#include <stdint.h>

// What to do about it, for people.
#define STORE_DAMAGED_ADVICE                                                \
    "stop the engine, then check with `posthorn verify` and save what can " \
    "be read with `posthorn repair`"

// Call before an environment is opened, since opening may already end the process.
// `path` must live as long as the process.
void store_guard_begin(const char *path);

// Call when it is open and `map_bytes` of it are mapped. Returns the address of the
// map; NULL: it cannot be determined.
const uint8_t *store_guard(const char *path, uint64_t map_bytes);

// An assertion of LMDB's failed: ends the process. `path` is the environment's;
// NULL: the path of the environment that is being opened.
void store_guard_assert(const char *path);

#endif
