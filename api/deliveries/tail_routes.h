// tail_routes.h — deliveries as they happen, as server-sent events.

#ifndef API_DELIVERIES_TAIL_ROUTES_H
#define API_DELIVERIES_TAIL_ROUTES_H

struct api;
struct call;

void tail_init(struct api *api);

// Follows a hook, or an organization; the answer has no end.
void tail_get(struct call *c);

#endif
