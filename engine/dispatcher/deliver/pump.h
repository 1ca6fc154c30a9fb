// pump.h — which delivery goes to its sender next.

#ifndef ENGINE_DISPATCHER_DELIVER_PUMP_H
#define ENGINE_DISPATCHER_DELIVER_PUMP_H

#include "engine/dispatcher/schedule/schedule.h"

void pump_init(struct dispatcher *d);
void pump_all(struct dispatcher *d);

// Whether anything may be sent at all, as far as places and commits go.
bool pump_may_send(const struct dispatcher *d);

#endif
