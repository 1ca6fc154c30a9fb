// handlers.h — what answers the routes of hooks. Each answers its call.

#ifndef API_HOOKS_HANDLERS_H
#define API_HOOKS_HANDLERS_H

struct call;

// --- hook_list_routes.c: the hooks of a scope ---
void hooks_list(struct call *c);

// --- hook_routes.c: one hook ---
void hooks_create(struct call *c);
void hooks_get(struct call *c);
void hooks_update(struct call *c);
void hooks_delete(struct call *c);

#endif
