// SPDX-License-Identifier: MIT
// paths.c — the fields that the patterns of one owner look at: a tree of names.

#include "common/pattern/paths.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/codec.h"
#include "common/base/mem.h"

static uint64_t node_hash(const struct path_node *parent, struct str name)
{
    return hash_here(name, parent != NULL ? (uint64_t)parent->id + 1 : 0);
}

struct path_node *paths_child(const struct paths *paths,
                              const struct path_node *parent, struct str name)
{
    struct hash_node *n = hash_map_find(&paths->nodes, node_hash(parent, name));

    for (; n != NULL; n = hash_map_same(n)) {
        struct path_node *node = HASH_OBJECT(n, struct path_node, node);

        if (node->parent == parent &&
            str_eq((struct str){ node->name, node->n_bytes }, name))
            return node;
    }
    return NULL;
}

static uint32_t take_id(struct paths *paths)
{
    if (paths->n_free > 0)
        return paths->free_ids[--paths->n_free];
    return paths->n_ids++;
}

static void give_id(struct paths *paths, uint32_t id)
{
    if (paths->n_free == paths->room) {
        paths->room = paths->room > 0 ? paths->room * 2 : 8;
        paths->free_ids =
            xrealloc(paths->free_ids, paths->room * sizeof(*paths->free_ids));
    }
    paths->free_ids[paths->n_free++] = id;
}

static struct path_node *child_take(struct paths *paths,
                                    struct path_node *parent, struct str name)
{
    struct path_node *node = paths_child(paths, parent, name);

    if (node != NULL)
        return node;
    node = xcalloc(1, sizeof(*node) + name.n_bytes);
    node->parent = parent;
    node->id = take_id(paths);
    node->n_bytes = (uint32_t)name.n_bytes;
    if (name.n_bytes > 0)
        memcpy(node->name, name.at, name.n_bytes);
    if (parent != NULL)
        parent->n_uses++;
    paths->n_nodes++;
    hash_map_add(&paths->nodes, &node->node, node_hash(parent, name));
    return node;
}

struct path_node *paths_take(struct paths *paths, struct str path)
{
    struct path_node *node = NULL;
    const char *at = path.at;
    const char *end = path.at + path.n_bytes;

    for (;;) {
        const char *dot = at < end ? memchr(at, '.', (size_t)(end - at)) : NULL;
        const char *stop = dot != NULL ? dot : end;

        node = child_take(paths, node, (struct str){ at, (size_t)(stop - at) });
        if (dot == NULL)
            break;
        at = dot + 1;
    }
    node->n_uses++;
    node->n_fields++;
    return node;
}

void paths_drop(struct paths *paths, struct path_node *node)
{
    node->n_fields--;
    while (node != NULL) {
        struct path_node *parent = node->parent;

        node->n_uses--;
        if (node->n_uses > 0)
            return;
        paths->n_nodes--;
        hash_map_remove(&paths->nodes, &node->node);
        give_id(paths, node->id);
        free(node);
        node = parent;
    }
}

struct paths *paths_new(void)
{
    return xcalloc(1, sizeof(struct paths));
}

bool paths_is_empty(const struct paths *paths)
{
    return paths->n_nodes == 0;
}

void paths_free(struct paths *paths)
{
    hash_map_clear(&paths->nodes);
    free(paths->free_ids);
    free(paths);
}
