// environment_routes.h — handlers of the routes of environments, as Pulumi's command line
// knows them.

#ifndef API_SYSTEM_ENVIRONMENT_ROUTES_H
#define API_SYSTEM_ENVIRONMENT_ROUTES_H

struct call;

// Each answers its call.
void environments_list(struct call *c);
void environments_get(struct call *c);
void environments_delete(struct call *c);

#endif
