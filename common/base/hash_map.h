// SPDX-License-Identifier: MIT
// hash_map.h — objects that hold their own links, found by the hash of their key.
//
//   struct peer { struct hash_node node; … };
//
//   for (n = hash_map_find(&peers, hash); n != NULL; n = hash_map_same(n))
//       … HASH_OBJECT(n, struct peer, node), if its key is the wanted one
//
// The map knows hashes alone: the caller compares keys. Keys that come from outside need
// a hash with a secret (hash_here()), or they could be chosen to collide. A map of zeros
// is empty; it allocates with the first object and grows by itself.

#ifndef COMMON_BASE_HASH_MAP_H
#define COMMON_BASE_HASH_MAP_H

#include <stddef.h>
#include <stdint.h>

struct hash_node {
    struct hash_node *next; // in its bucket
    uint64_t hash;
};

// Closed to other rooms.
struct hash_map {
    struct hash_node **buckets; // owned; NULL: none yet
    size_t n_buckets;           // a power of two
    size_t n;                   // objects
};

// Adds an object that is in no map. Others may have the same hash.
void hash_map_add(struct hash_map *m, struct hash_node *n, uint64_t hash);

// Removes an object of this map.
void hash_map_remove(struct hash_map *m, struct hash_node *n);

// An object with this hash, and then the others with the same one. NULL: no more.
struct hash_node *hash_map_find(const struct hash_map *m, uint64_t hash);
struct hash_node *hash_map_same(const struct hash_node *n);

// The object after `n` in an order of the map's own; with NULL, the first. NULL: no
// more. Until the walk ends nothing may be added; who removes an object takes the next
// one before.
struct hash_node *hash_map_next(const struct hash_map *m,
                                const struct hash_node *n);

// For a walk in pieces, between which objects come and go: the number of buckets, which
// changes when all objects change places, and the first object of a bucket, whose `next`
// leads to the others.
size_t hash_map_n_buckets(const struct hash_map *m);
struct hash_node *hash_map_bucket(const struct hash_map *m, size_t i);

// Frees the map's own memory; the objects are the caller's. The map is then empty.
void hash_map_clear(struct hash_map *m);

// The object at whose `offset` the node lies; NULL for NULL.
static inline void *hash_map_object(struct hash_node *n, size_t offset)
{
    return n != NULL ? (char *)n - offset : NULL;
}

// The object of this `type`, whose node is `member`.
#define HASH_OBJECT(node, type, member) \
    ((type *)hash_map_object((node), offsetof(type, member)))

#endif
