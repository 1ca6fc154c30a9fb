// SPDX-License-Identifier: MIT
// connect_guard.h — makes the connections of a sender, except to the engine itself.

#ifndef ENGINE_SUPERVISOR_CONNECTS_CONNECT_GUARD_H
#define ENGINE_SUPERVISOR_CONNECTS_CONNECT_GUARD_H

#include <stdbool.h>

#include "engine/supervisor/connects/own_listeners.h"

// A sender, which is a child that was not waited for yet.
struct guarded {
    int pid;
    int index; // of the sender, for the log; -1: nothing is logged
    // Its calls of socket() wait for the guard, too, which makes its sockets. False: the
    // guard duplicates them.
    bool makes_sockets;
    const struct own_listeners
        *own; // what it must not reach; borrowed for the call
};

// Starts a thread that answers each connect() of the process, until that has ended. `notify_fd` is the descriptor of its
// filter (seccomp_sender()), which is now the thread's. The guard connects the sender's
// socket itself, so what was judged is what is connected to; a connection to `own` fails
// with EACCES, and the first one is logged. False (errno): the thread or a descriptor is lacking, and connect() fails
// with ENOSYS in that sender.
bool connect_guard_start(int notify_fd, const struct guarded *who);

#endif
