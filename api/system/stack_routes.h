// stack_routes.h — handlers of the routes of stacks, as Pulumi's command line knows them.

#ifndef API_SYSTEM_STACK_ROUTES_H
#define API_SYSTEM_STACK_ROUTES_H

#include <stdbool.h>

struct call;
struct stack_name;

// A stack or environment that hooks or events name stays. False: it does; answered.
bool stacks_may_forget(struct call *c, const struct stack_name *name);

// Each answers its call.
void stacks_list(struct call *c);
void stacks_create(struct call *c);
void stacks_project(struct call *c);
void stacks_get(struct call *c);
void stacks_export(struct call *c);
void stacks_delete(struct call *c);

#endif
