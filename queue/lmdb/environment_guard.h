// SPDX-License-Identifier: MIT
// environment_guard.h — a page that is damaged ends a process with a sentence.
//
// LMDB maps its file and trusts what it finds there: a page that is cut off is a
// SIGBUS, a wild number in one a SIGSEGV or a failed assertion. The process cannot
// go on then, but it can say which environment it was, and what to do.

#ifndef QUEUE_LMDB_ENVIRONMENT_GUARD_H
#define QUEUE_LMDB_ENVIRONMENT_GUARD_H

#include <stdint.h>

// What to do about it, for people.
#define STORE_DAMAGED_ADVICE                                                \
    "stop the engine, then check with `posthorn verify` and save what can " \
    "be read with `posthorn repair`"

// Before an environment is opened; opening it may end the process already. `path`
// must live as long as the process.
void store_guard_begin(const char *path);

// It is open and `map_bytes` of it are mapped. Returns where; NULL: that cannot
// be found out.
const uint8_t *store_guard(const char *path, uint64_t map_bytes);

// An assertion of LMDB's failed: ends the process. `path` is the environment's; NULL:
// that of the one that is being opened.
void store_guard_assert(const char *path);

#endif
