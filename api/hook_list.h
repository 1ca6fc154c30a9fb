// hook_list.h — handler of the routes that list the hooks of a scope.

#ifndef API_HOOK_LIST_H
#define API_HOOK_LIST_H

struct call;

// Answers its call.
void hooks_list(struct call *c);

#endif
