// SPDX-License-Identifier: MIT
// org_paths.c — for each organization, the fields that its hooks' patterns look at.

#include "engine/delivery/org_paths.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/codec.h"
#include "common/base/mem.h"

struct org {
    struct hash_node node;
    enum dialect dialect;
    struct paths *paths; // owned
    size_t n_bytes;
    char name[];
};

static struct org *org_find(const struct org_paths *all, enum dialect dialect,
                            struct str name)
{
    struct hash_node *n = hash_map_find(&all->orgs, hash_here(name, dialect));

    for (; n != NULL; n = hash_map_same(n)) {
        struct org *org = HASH_OBJECT(n, struct org, node);

        if (org->dialect == dialect &&
            str_eq((struct str){ org->name, org->n_bytes }, name))
            return org;
    }
    return NULL;
}

struct paths *org_paths_bind(struct org_paths *all, enum dialect dialect,
                             struct str org, struct pattern *p)
{
    struct org *found = org_find(all, dialect, org);

    if (found == NULL) {
        found = xcalloc(1, sizeof(*found) + org.n_bytes);
        found->dialect = dialect;
        found->paths = paths_new();
        found->n_bytes = org.n_bytes;
        if (org.n_bytes > 0)
            memcpy(found->name, org.at, org.n_bytes);
        hash_map_add(&all->orgs, &found->node, hash_here(org, dialect));
    }
    pattern_bind(p, found->paths);
    return found->paths;
}

void org_paths_unbind(struct org_paths *all, enum dialect dialect,
                      struct str org, struct pattern *p)
{
    struct org *found = org_find(all, dialect, org);

    assert(found != NULL);
    pattern_unbind(p);
    if (!paths_is_empty(found->paths))
        return;
    hash_map_remove(&all->orgs, &found->node);
    paths_free(found->paths);
    free(found);
}

void org_paths_clear(struct org_paths *all)
{
    hash_map_clear(&all->orgs);
}
