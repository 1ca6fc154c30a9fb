// discard_routes.h — the handler of the routes that clear dead letters.

#ifndef API_DELIVERIES_DISCARD_ROUTES_H
#define API_DELIVERIES_DISCARD_ROUTES_H

struct call;

// Of a hook, of an organization, or of a project of Akinon's. Answers later.
void discards_create(struct call *c);

#endif
