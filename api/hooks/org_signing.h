// SPDX-License-Identifier: MIT
// org_signing.h — the keys with which organizations sign requests as v1a.

#ifndef API_HOOKS_ORG_SIGNING_H
#define API_HOOKS_ORG_SIGNING_H

#include <stdint.h>

#include "api/core/api_request.h"
#include "common/model/signing_key.h"

void org_signing_init(struct api *api);

// Removes replaced keys whose time is over from the storage. Call it once a second.
void org_signing_on_second(struct api *api);

// The keys of an organization and their revision. Its name is copied into the arena.
// ERR_NOTFOUND: it has none. Wipe them after use.
MUST_CHECK enum err org_signing_get(struct api *api, uint64_t org_no,
                                    struct arena *arena,
                                    struct signing_keys *out,
                                    uint64_t *revision);

// Stores the keys of an organization if what there is has this revision: see
// org_value_put().
void org_signing_put(struct api *api, const struct signing_keys *keys,
                     uint64_t revision, const struct catalog_caller *caller);

// Stores a first, random key for the organization, which has none.
void org_signing_make(struct api *api, const struct hook_scope *scope,
                      const struct catalog_caller *caller);

#endif
