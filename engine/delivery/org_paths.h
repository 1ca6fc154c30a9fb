// SPDX-License-Identifier: MIT
// org_paths.h — for each organization, the fields that its hooks' patterns look at.

#ifndef ENGINE_DELIVERY_ORG_PATHS_H
#define ENGINE_DELIVERY_ORG_PATHS_H

#include "common/base/hash_map.h"
#include "common/base/str.h"
#include "common/model/event.h"
#include "common/pattern/paths.h"
#include "common/pattern/pattern.h"

// Closed to other rooms.
struct org_paths {
    struct hash_map orgs;
};

// Binds a pattern to its organization's paths, which are made if it is the first one;
// returns the paths.
struct paths *org_paths_bind(struct org_paths *all, enum dialect dialect,
                             struct str org, struct pattern *p);

// Unbinds it; the paths go with the last pattern.
void org_paths_unbind(struct org_paths *all, enum dialect dialect,
                      struct str org, struct pattern *p);

void org_paths_clear(struct org_paths *all); // no pattern is bound any more

#endif
