// SPDX-License-Identifier: MIT
// lead_roles.h — on a node of a cluster: whether the roles of the lead run, or those that
// relay connections to it.
//
// The replicator gives the orders. Where there is no cluster, all roles run.

#ifndef ENGINE_SUPERVISOR_LEAD_ROLES_H
#define ENGINE_SUPERVISOR_LEAD_ROLES_H

#include <stdbool.h>
#include <stddef.h>

#include "common/process/control_socket.h"
#include "engine/supervisor/child.h"

// The order in which the roles of a lead end: each kind after the one before.
#define LEAD_ROLES_STAGES 5
extern const enum role_kind lead_roles_order[LEAD_ROLES_STAGES];

// A drain of the engine ends the relays before these, and the replicator after them.
#define LEAD_ROLES_DRAIN_STAGES (LEAD_ROLES_STAGES + 2)
enum role_kind lead_roles_drain_kind(size_t stage);

// Closed to other rooms.
struct lead_roles {
    struct child *children; // owned by the supervisor
    const size_t *n_children;
    bool is_up;      // the roles of the lead are wanted
    bool is_leaving; // they finish their work
    size_t stage;    // of that
};

// To be called when all children are made and none is started. On a node of a cluster no
// role of the lead is wanted, until the replicator says so.
void lead_roles_init(struct lead_roles *s, struct child *children,
                     const size_t *n_children, bool is_node);

// Whether a child of this kind runs.
bool lead_roles_has_alive(const struct lead_roles *s, enum role_kind kind);

void lead_roles_obey(struct lead_roles *s, enum lead_order order);

// A child is gone and not started again.
void lead_roles_on_closed(struct lead_roles *s);

// The replicator has ended: without it no role of the lead can store anything.
void lead_roles_lose_replicator(struct lead_roles *s);

#endif
