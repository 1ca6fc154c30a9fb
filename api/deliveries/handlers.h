// SPDX-License-Identifier: MIT
// handlers.h — what answers the routes of deliveries: their history, new attempts,
// replays, dead letters. Each is about a hook, or about an organization where the path
// names no hook.

#ifndef API_DELIVERIES_HANDLERS_H
#define API_DELIVERIES_HANDLERS_H

struct api;
struct api_request;

// --- delivery_routes.c: attempts ---
void deliveries_list(struct api_request *rq);     // of a hook
void deliveries_list_org(struct api_request *rq); // of an organization

// --- attempt_routes.c: what a hook's dispatcher does or says, which answers later ---
void manual_ping(struct api_request *rq);
void manual_status(struct api_request *rq);
void manual_redeliver(struct api_request *rq);

// --- stats_routes.c: outcomes and latency ---
void stats_get(struct api_request *rq);

// --- tail_routes.c: deliveries as they happen; the answer has no end ---
void tail_init(struct api *api); // once, before the first
void tail_get(struct api_request *rq);

// --- replay_routes.c: many deliveries once more ---
// A create and a cancel answer later.
void replays_create(struct api_request *rq);
void replays_list(struct api_request *rq);
void replays_get(struct api_request *rq);
void replays_cancel(struct api_request *rq);

// --- discard_routes.c: dead letters are cleared, also those of a project of Akinon's; it
// answers later ---
void discards_create(struct api_request *rq);

// --- explain_routes.c: which hooks want an event; they answer later ---
void explain_posted(struct api_request *rq); // the body's event, with requests
void explain_stored(struct api_request *rq); // the path's, with its attempts

#endif
