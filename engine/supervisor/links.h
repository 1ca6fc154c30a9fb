// SPDX-License-Identifier: MIT
// links.h — the sockets between roles, as the supervisor hands them over.

#ifndef ENGINE_SUPERVISOR_LINKS_H
#define ENGINE_SUPERVISOR_LINKS_H

#include <uv.h>

#include "common/process/deadline.h"
#include "engine/supervisor/child.h"

struct links {
    struct child *children; // the supervisor's
    const size_t *n_children;
    int missing[CHILDREN_MAX][CHILDREN_MAX]; // errno; 0: linked, or no pair
    uint32_t link_nos[CHILDREN_MAX][CHILDREN_MAX]; // of the newest
    struct deadline retry;
};

void links_init(struct links *l, uv_loop_t *loop, struct child *children,
                const size_t *n_children);

// Links a child that has just started with each neighbour that lives. What
// cannot be linked now is tried again every second, and the pulses of both say
// so meanwhile.
void links_connect(struct links *l, struct child *c);

// A child says which link it has not: its end did not arrive, or is closed.
void links_lost(struct links *l, struct child *c,
                const struct control_message *m);

// It has died: its neighbours are told; whatever was missing of it comes with
// its next start.
void links_ended(struct links *l, const struct child *c,
                 const struct death *death);

#endif
