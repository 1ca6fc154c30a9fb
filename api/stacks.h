// stacks.h — handlers of the routes of stacks, as Pulumi's command line knows them.

#ifndef API_STACKS_H
#define API_STACKS_H

struct call;

// Each answers its call.
void stacks_list(struct call *c);
void stacks_create(struct call *c);
void stacks_project(struct call *c);
void stacks_get(struct call *c);
void stacks_export(struct call *c);
void stacks_delete(struct call *c);

#endif
