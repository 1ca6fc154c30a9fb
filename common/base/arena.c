// SPDX-License-Identifier: MIT
// arena.c — memory that is freed all at once.

#include "common/base/arena.h"

#include <stdalign.h>
#include <stdlib.h>

#include "common/base/mem.h"

#define CHUNK_BYTES 8192

struct arena_chunk {
    struct arena_chunk *next;
    size_t n_bytes; // used
    size_t room_bytes;
    alignas(max_align_t) char at[];
};

void *arena_take(struct arena *a, size_t n_bytes)
{
    struct arena_chunk *c = a->chunks;
    size_t align = alignof(max_align_t);
    size_t n_aligned = (n_bytes + align - 1) / align * align;
    void *at;

    if (c == NULL || c->room_bytes - c->n_bytes < n_aligned) {
        size_t room_bytes = n_aligned > CHUNK_BYTES ? n_aligned : CHUNK_BYTES;

        c = xmalloc(sizeof(*c) + room_bytes);
        c->next = a->chunks;
        c->n_bytes = 0;
        c->room_bytes = room_bytes;
        a->chunks = c;
    }
    at = c->at + c->n_bytes;
    c->n_bytes += n_aligned;
    return at;
}

struct str arena_copy(struct arena *a, struct str s)
{
    char *at;

    if (s.n_bytes == 0)
        return STR_EMPTY;
    at = arena_take(a, s.n_bytes);
    memcpy(at, s.at, s.n_bytes);
    return (struct str){ at, s.n_bytes };
}

void arena_clear(struct arena *a)
{
    while (a->chunks != NULL) {
        struct arena_chunk *next = a->chunks->next;

        free(a->chunks);
        a->chunks = next;
    }
}
