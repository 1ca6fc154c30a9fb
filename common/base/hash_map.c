// SPDX-License-Identifier: MIT
// hash_map.c — objects that hold their own links, found by the hash of their key.

#include "common/base/hash_map.h"

#include <assert.h>
#include <stdlib.h>

#include "common/base/mem.h"

#define BUCKETS_MIN 64

// A hash may be a number that counts up by some power of two: the multiplication
// spreads such hashes.
static struct hash_node **bucket_of(const struct hash_map *m, uint64_t hash)
{
    uint64_t mixed = (hash ^ hash >> 32) * UINT64_C(0x9e3779b97f4a7c15);

    return &m->buckets[(size_t)(mixed >> 32) & (m->n_buckets - 1)];
}

static void link_node(struct hash_map *m, struct hash_node *n)
{
    struct hash_node **bucket = bucket_of(m, n->hash);

    n->next = *bucket;
    *bucket = n;
}

static void grow(struct hash_map *m)
{
    struct hash_map old = *m;

    m->n_buckets = old.n_buckets > 0 ? old.n_buckets * 2 : BUCKETS_MIN;
    m->buckets = xcalloc(m->n_buckets, sizeof(struct hash_node *));
    for (size_t i = 0; i < old.n_buckets; i++) {
        while (old.buckets[i] != NULL) {
            struct hash_node *n = old.buckets[i];

            old.buckets[i] = n->next;
            link_node(m, n);
        }
    }
    free(old.buckets);
}

void hash_map_add(struct hash_map *m, struct hash_node *n, uint64_t hash)
{
    if (m->n == m->n_buckets)
        grow(m);
    n->hash = hash;
    link_node(m, n);
    m->n++;
}

void hash_map_remove(struct hash_map *m, struct hash_node *n)
{
    struct hash_node **link;

    assert(m->n > 0);
    link = bucket_of(m, n->hash);
    while (*link != n) {
        assert(*link != NULL);
        link = &(*link)->next;
    }
    *link = n->next;
    n->next = NULL;
    m->n--;
}

static struct hash_node *with_hash(struct hash_node *n, uint64_t hash)
{
    while (n != NULL && n->hash != hash)
        n = n->next;
    return n;
}

struct hash_node *hash_map_find(const struct hash_map *m, uint64_t hash)
{
    return m->n > 0 ? with_hash(*bucket_of(m, hash), hash) : NULL;
}

struct hash_node *hash_map_same(const struct hash_node *n)
{
    return with_hash(n->next, n->hash);
}

struct hash_node *hash_map_next(const struct hash_map *m,
                                const struct hash_node *n)
{
    size_t i = 0;

    if (m->n == 0)
        return NULL;
    if (n != NULL) {
        if (n->next != NULL)
            return n->next;
        i = (size_t)(bucket_of(m, n->hash) - m->buckets) + 1;
    }
    while (i < m->n_buckets && m->buckets[i] == NULL)
        i++;
    return i < m->n_buckets ? m->buckets[i] : NULL;
}

size_t hash_map_n_buckets(const struct hash_map *m)
{
    return m->n_buckets;
}

struct hash_node *hash_map_bucket(const struct hash_map *m, size_t i)
{
    assert(i < m->n_buckets);
    return m->buckets[i];
}

void hash_map_clear(struct hash_map *m)
{
    free(m->buckets);
    *m = (struct hash_map){ .n = 0 };
}
