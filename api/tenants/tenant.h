// SPDX-License-Identifier: MIT
// tenant.h — the organization that a path names, as a whole: in both APIs.

#ifndef API_TENANTS_TENANT_H
#define API_TENANTS_TENANT_H

#include "api/core/api_request.h"

struct tenant {
    struct str org;      // in the arena
    uint64_t org_nos[2]; // its number in each dialect; 0: it has none
};

// The two dialects, in the order of the numbers.
enum dialect tenant_dialect(size_t i);

// Reads the organization of the path; Akinon's ids are put in lower case. False: its name
// is invalid, or the storage failed; the request has been answered.
bool tenant_read(struct api_request *rq, struct tenant *out);

// Whether anything is known of the organization by its name: a hook, a token, or an event
// that named it, or that it is being erased. Of Akinon's organizations events alone tell nothing: they count as known.
bool tenant_is_known(const struct api_request *rq, const struct tenant *tenant);

#endif
