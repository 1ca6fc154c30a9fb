// dispatcher.h — the process that owns the hooks of one shard.

#ifndef ENGINE_DISPATCHER_DISPATCHER_H
#define ENGINE_DISPATCHER_DISPATCHER_H

struct dispatcher;

// There may be new events, or changed hooks.
void dispatcher_look_again(struct dispatcher *d);
void dispatcher_leave_if_drained(struct dispatcher *d);

#endif
