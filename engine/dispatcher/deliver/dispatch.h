// SPDX-License-Identifier: MIT
// dispatch.h — does what the scheduling core says: sends, cancels, loads rows.

#ifndef ENGINE_DISPATCHER_DELIVER_DISPATCH_H
#define ENGINE_DISPATCHER_DELIVER_DISPATCH_H

#include "engine/dispatcher/loop/dispatcher.h"

// Gives hooks their turns, and does what comes of them, until nothing may be sent.
void dispatch_all(struct dispatcher *d);

// Whether any attempt may be begun: storage is free, and commits keep up.
bool dispatch_may_send(const struct dispatcher *d);

#endif
