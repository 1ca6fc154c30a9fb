// handlers.h — what answers the routes of deliveries: their history, new attempts,
// replays, dead letters. Each is about a hook, or about an organization where the path
// names no hook.

#ifndef API_DELIVERIES_HANDLERS_H
#define API_DELIVERIES_HANDLERS_H

struct api;
struct call;

// --- delivery_routes.c: attempts ---
void deliveries_list(struct call *c);     // of a hook
void deliveries_list_org(struct call *c); // of an organization

// --- attempt_routes.c: what a hook's dispatcher does or says, which answers later ---
void manual_ping(struct call *c);
void manual_status(struct call *c);
void manual_redeliver(struct call *c);

// --- stats_routes.c: outcomes and latency ---
void stats_get(struct call *c);

// --- tail_routes.c: deliveries as they happen; the answer has no end ---
void tail_init(struct api *api); // once, before the first
void tail_get(struct call *c);

// --- replay_routes.c: many deliveries once more ---
void replays_create(struct call *c); // answers later, when it is counted
void replays_list(struct call *c);
void replays_get(struct call *c);
void replays_cancel(struct call *c); // answers later

// --- discard_routes.c: dead letters are cleared, also those of a project of Akinon's ---
void discards_create(struct call *c); // answers later

// --- explain_routes.c: which hooks want an event; they answer later ---
void explain_posted(struct call *c); // the event in the body, with requests
void explain_stored(struct call *c); // the event of the path, with its attempts

#endif
