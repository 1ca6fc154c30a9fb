// SPDX-License-Identifier: MIT
// arena.h — memory that is freed all at once; what an arena holds never moves.

#ifndef COMMON_BASE_ARENA_H
#define COMMON_BASE_ARENA_H

#include <stddef.h>

#include "common/base/str.h"

// Closed to other rooms.
struct arena {
    struct arena_chunk *chunks; // private
};

// Aligned for any type. Never NULL.
void *arena_take(struct arena *a, size_t n_bytes);

// A copy of `s` in the arena.
struct str arena_copy(struct arena *a, struct str s);

// Frees everything; the arena is then empty.
void arena_clear(struct arena *a);

#endif
