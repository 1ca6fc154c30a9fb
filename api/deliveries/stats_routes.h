// stats_routes.h — handler of the routes that show statistics.

#ifndef API_DELIVERIES_STATS_ROUTES_H
#define API_DELIVERIES_STATS_ROUTES_H

struct call;

// Of a hook, or of an organization.
void stats_get(struct call *c);

#endif
