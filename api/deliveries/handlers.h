// SPDX-License-Identifier: MIT
// handlers.h — the handlers of the routes of deliveries: history, new attempts, replays,
// dead letters. Each handles one hook, or a whole organization where the path names no
// hook.

#ifndef API_DELIVERIES_HANDLERS_H
#define API_DELIVERIES_HANDLERS_H

#include <stdint.h>

// Why there is no payload of a locked event (event.h).
#define PAYLOAD_LOCKED                                                   \
    "the payload of this event is encrypted, and its key is not there: " \
    "it was destroyed or is lost"

// Why there is no payload of an event that retention has removed.
#define PAYLOAD_REMOVED "the payload of this event was removed by retention"
// Why there is no payload of an event whose payload was erased.
#define PAYLOAD_ERASED "the payload of this event was erased"

struct api;
struct api_request;
struct reply;

// --- delivery_routes.c: attempts ---
void deliveries_list(struct api_request *rq);     // of a hook
void deliveries_list_org(struct api_request *rq); // of an organization
// Answers with the record of the attempt that a dispatcher's reply refers to.
void deliveries_show(struct api_request *rq, uint64_t hook_id,
                     const struct reply *reply);

// --- event_list_routes.c: accepted events ---
void events_list(struct api_request *rq); // of an organization or a place

// --- request_routes.c: one attempt, and the request that it sent ---
void attempts_get(struct api_request *rq);
void requests_get(struct api_request *rq);

// --- attempt_routes.c: requests that the hook's dispatcher handles; the answer comes
// later ---
void on_demand_ping(struct api_request *rq);
void on_demand_status(struct api_request *rq);
void on_demand_redeliver(struct api_request *rq);
// Answers with a dispatcher's reply: the record of the attempt, or why there is none.
void on_demand_respond(struct api_request *rq, uint64_t hook_id,
                       const struct reply *reply);

// --- stats_routes.c: outcomes and latency ---
void stats_get(struct api_request *rq);
void stats_series_get(struct api_request *rq); // of a window, slot by slot

// --- tail_routes.c: deliveries as they happen; the answer has no end ---
void tail_init(struct api *api); // once, before the first tail_get()
void tail_get(struct api_request *rq);

// --- replay_routes.c: many deliveries once more ---
// replays_create() and replays_cancel() answer later, when the dispatchers have
// replied.
void replays_create(struct api_request *rq);
void replays_list(struct api_request *rq);
void replays_get(struct api_request *rq);
void replays_cancel(struct api_request *rq);

// --- discard_routes.c: clears dead letters of a hook, an organization or an Akinon
// project; the answer comes later ---
void discards_create(struct api_request *rq);

// --- explain_routes.c: which hooks want an event; the answer comes later ---
void explain_posted(struct api_request *rq); // the body's event, with requests
void explain_stored(
    struct api_request *rq); // the path's event, with its attempts

#endif
