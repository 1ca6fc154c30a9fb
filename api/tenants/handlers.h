// SPDX-License-Identifier: MIT
// handlers.h — the handlers of the routes about organizations as a whole. Each answers its
// request.

#ifndef API_TENANTS_HANDLERS_H
#define API_TENANTS_HANDLERS_H

struct api_request;

// --- org_list_routes.c: only the admin token comes here ---
void orgs_list(struct api_request *rq);

// --- export.c ---
void orgs_export(struct api_request *rq);

// --- retention_routes.c: only the admin token comes here ---
void retention_get(struct api_request *rq);
void retention_put(struct api_request *rq); // answers later
void retention_delete(struct api_request *rq);

// --- erasure_routes.c: only the admin token comes here ---
void orgs_erase(struct api_request *rq); // answers later
void erasures_list(struct api_request *rq);
void erasures_get(struct api_request *rq);

// --- payload_routes.c: of one event ---
void payloads_erase(struct api_request *rq); // answers later
void payloads_get(struct api_request *rq);   // how far that is

#endif
