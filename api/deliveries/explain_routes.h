// explain_routes.h — handlers of the routes that say which hooks want an event.

#ifndef API_DELIVERIES_EXPLAIN_ROUTES_H
#define API_DELIVERIES_EXPLAIN_ROUTES_H

struct call;

// Each answers later.
void explain_posted(struct call *c); // the event in the body, with requests
void explain_stored(struct call *c); // the event of the path, with its attempts

#endif
