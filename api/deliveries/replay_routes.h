// replay_routes.h — handlers of the routes that send many deliveries once more.

#ifndef API_DELIVERIES_REPLAY_ROUTES_H
#define API_DELIVERIES_REPLAY_ROUTES_H

struct call;

// Of a hook, or of every hook of an organization.
void replays_create(struct call *c); // answers later, when it is counted
void replays_list(struct call *c);
void replays_get(struct call *c);
void replays_cancel(struct call *c); // answers later

#endif
