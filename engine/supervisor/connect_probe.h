// SPDX-License-Identifier: MIT
// connect_probe.h — whether the supervisor can connect for its senders.

#ifndef ENGINE_SUPERVISOR_CONNECT_PROBE_H
#define ENGINE_SUPERVISOR_CONNECT_PROBE_H

#include "common/config/config.h"
#include "common/process/sandbox.h"
#include "engine/supervisor/connects/own_listeners.h"
#include "engine/supervisor/preflight.h"

// Closed to other rooms.
struct connect_plan {
    enum sandbox_connects how;
    struct own_listeners own; // what senders must not reach
};

// Finds out by trying, with a process that is like a sender: it connects to a server of
// the engine, and elsewhere. If that does not work, senders connect by themselves, and a
// warning says why. Call before the loop and any thread is made.
void connect_plan_make(const struct config *config,
                       const struct preflight *preflight,
                       struct connect_plan *out);

#endif
