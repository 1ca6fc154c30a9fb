// SPDX-License-Identifier: MIT
// hook_table_routes.h — the table of all hooks of an organization or of a place, with their
// status.

#ifndef API_HOOKS_HOOK_TABLE_ROUTES_H
#define API_HOOKS_HOOK_TABLE_ROUTES_H

#include "api/core/api_request.h"

// Answers with a page of the organization's hooks over all its places, those of Akinon's
// projects last; with `is_place`, of the hooks of the scope alone. Answers later, when the
// dispatchers have said how it goes with them.
void hook_table_get(struct api_request *rq, const struct hook_scope *scope,
                    bool is_place);

#endif
