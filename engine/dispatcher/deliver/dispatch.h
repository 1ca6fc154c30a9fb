// SPDX-License-Identifier: MIT
// dispatch.h — which delivery goes to its sender next.

#ifndef ENGINE_DISPATCHER_DELIVER_DISPATCH_H
#define ENGINE_DISPATCHER_DELIVER_DISPATCH_H

#include "engine/dispatcher/schedule/schedule.h"

void dispatch_init(struct dispatcher *d);
void dispatch_all(struct dispatcher *d);

// Whether anything may be sent at all, as far as places and commits go.
bool dispatch_may_send(const struct dispatcher *d);

#endif
