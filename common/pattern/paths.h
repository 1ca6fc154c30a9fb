// SPDX-License-Identifier: MIT
// paths.h — the fields that the patterns of one owner look at: a tree of names.
//
// An event is walked along this tree, so that members which no pattern names cost one
// look each. A path is the names of members with dots between them; a dot within a name
// is not told from a dot between two, as in the language.

#ifndef COMMON_PATTERN_PATHS_H
#define COMMON_PATTERN_PATHS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/hash_map.h"
#include "common/base/str.h"

// A name in the tree. Closed to other rooms.
struct path_node {
    struct hash_node node;
    struct path_node *parent; // NULL: a field of the event
    uint32_t id;              // index of its slot
    uint32_t n_uses;          // children, and fields of patterns
    uint32_t n_fields;        // of patterns, that end here
    uint32_t n_bytes;
    char name[];
};

// Closed to other rooms.
struct paths {
    struct hash_map nodes;
    size_t n_nodes;
    uint32_t n_ids; // ids are below this
    uint32_t *free_ids;
    size_t n_free;
    size_t room;
};

struct paths *paths_new(void);
void paths_free(struct paths *paths); // no pattern may be bound to it

bool paths_is_empty(const struct paths *paths); // no pattern is bound to it

// The node of a path, which is made if it is not there; each take needs a drop.
struct path_node *paths_take(struct paths *paths, struct str path);
void paths_drop(struct paths *paths, struct path_node *node);

// The node of a name below `parent`; NULL as `parent`: a field of the event itself. NULL:
// there is none.
struct path_node *paths_child(const struct paths *paths,
                              const struct path_node *parent, struct str name);

#endif
