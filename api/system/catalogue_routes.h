// SPDX-License-Identifier: MIT
// catalogue_routes.h — what the list of an organization's kinds shows of its catalogue.

#ifndef API_SYSTEM_CATALOGUE_ROUTES_H
#define API_SYSTEM_CATALOGUE_ROUTES_H

#include "api/core/api_request.h"

// Puts the entries of the organization's catalogue, by kind, as the member "catalogue".
// Errors of the store.
MUST_CHECK enum err catalogue_put_list(struct api_request *rq,
                                       const struct hook_scope *scope,
                                       struct json_writer *w);

#endif
