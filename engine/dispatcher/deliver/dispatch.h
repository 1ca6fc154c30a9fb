// SPDX-License-Identifier: MIT
// dispatch.h — which delivery goes to its sender next.

#ifndef ENGINE_DISPATCHER_DELIVER_DISPATCH_H
#define ENGINE_DISPATCHER_DELIVER_DISPATCH_H

#include "engine/dispatcher/schedule/schedule.h"

void dispatch_init(struct dispatcher *d);
void dispatch_all(struct dispatcher *d);

// Whether any attempt may be begun: a slot and storage are free, and commits keep up.
bool dispatch_may_send(const struct dispatcher *d);

#endif
