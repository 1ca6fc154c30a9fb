// hook_routes.h — handlers of the routes that make, show, change and delete a hook.

#ifndef API_HOOKS_HOOK_ROUTES_H
#define API_HOOKS_HOOK_ROUTES_H

struct call;

// Each answers its call.
void hooks_create(struct call *c);
void hooks_get(struct call *c);
void hooks_update(struct call *c);
void hooks_delete(struct call *c);

#endif
