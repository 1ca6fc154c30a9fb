// SPDX-License-Identifier: MIT
// handlers.h — the handlers of the routes of hooks. Each answers its request.

#ifndef API_HOOKS_HANDLERS_H
#define API_HOOKS_HANDLERS_H

struct api_request;

// --- hook_list_routes.c: the hooks of a scope, or, with scope=all, of all places of an
// organization (hook_table_routes.h) ---
void hooks_list(struct api_request *rq);

// --- place_routes.c: the places of an organization ---
void places_list(struct api_request *rq);

// --- hook_routes.c: one hook ---
void hooks_create(struct api_request *rq);
void hooks_get(struct api_request *rq);
void hooks_update(struct api_request *rq);
void hooks_delete(struct api_request *rq);

// --- signing_key_routes.c: the keys of an organization that sign as v1a; public keys of
// an organization and of a hook ---
void signing_keys_list(struct api_request *rq);
void signing_keys_create(struct api_request *rq);
void jwks_get_org(struct api_request *rq);
void jwks_get_hook(struct api_request *rq);

#endif
