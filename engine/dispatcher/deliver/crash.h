// SPDX-License-Identifier: MIT
// crash.h — deliveries that a process died with.

#ifndef ENGINE_DISPATCHER_DELIVER_CRASH_H
#define ENGINE_DISPATCHER_DELIVER_CRASH_H

#include "engine/dispatcher/schedule/schedule.h"

// The sender died with it: back to the queue, no attempt is spent; `death` says
// whether that is laid to a delivery. One that senders died with too often is
// dead.
void crash_of_sender(struct dispatcher *d, struct slot *s,
                     const struct death *death);

// No attempt is made any more, for this reason: it is dead.
void crash_set_aside(struct dispatcher *d, struct slot *s, struct str reason);

#endif
