// hook_list_routes.h — handler of the routes that list the hooks of a scope.

#ifndef API_HOOKS_HOOK_LIST_ROUTES_H
#define API_HOOKS_HOOK_LIST_ROUTES_H

struct call;

// Answers its call.
void hooks_list(struct call *c);

#endif
