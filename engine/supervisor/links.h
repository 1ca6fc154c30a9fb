// SPDX-License-Identifier: MIT
// links.h — the sockets between roles, which the supervisor hands out.

#ifndef ENGINE_SUPERVISOR_LINKS_H
#define ENGINE_SUPERVISOR_LINKS_H

#include <uv.h>

#include "common/process/deadline.h"
#include "engine/supervisor/child.h"

// Closed to other rooms.
struct links {
    struct child *children; // owned by the supervisor
    const size_t *n_children;
    int missing[CHILDREN_MAX][CHILDREN_MAX]; // errno; 0: linked, or no pair
    // When a missing link may be tried again (monotonic): a process that ends closes its
    // links a while before its end is known, and a new link in between would be lost, too.
    int64_t retry_at_us[CHILDREN_MAX][CHILDREN_MAX];
    uint32_t link_nos[CHILDREN_MAX][CHILDREN_MAX]; // number of the newest link
    struct deadline retry;
};

void links_init(struct links *l, uv_loop_t *loop, struct child *children,
                const size_t *n_children);

// Links a child that has just started with each neighbour that runs. A link that cannot
// be made now is tried again every second, and the pulses of both children show the
// error meanwhile.
void links_connect(struct links *l, struct child *c);

// A child reports a link that it lacks: its end did not arrive, or is closed.
void links_lost(struct links *l, struct child *c,
                const struct control_message *m);

// The child has died: its neighbours are told. Its links are made again at its next
// start.
void links_ended(struct links *l, const struct child *c,
                 const struct death *death);

#endif
