// SPDX-License-Identifier: MIT
// lead.h — whether this node is the lead of its cluster: the one whose roles take events
// in, deliver them, and serve the API.
//
// A thread waits for the lease of the lead to be free, and takes it if this node has all
// that the chains say. From then on it keeps the lease. When it may have lost it, the roles
// have to end at once.
//
//   FOLLOWS ──► TAKES ──► LEADS ──► LOSES ──► FOLLOWS
//      ▲          │         └────► LEAVES ──────┤
//      └──────────┴─────────────────────────────┘

#ifndef ENGINE_REPLICATOR_LEAD_H
#define ENGINE_REPLICATOR_LEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "queue/queue.h"

struct lead;
struct journal;

enum lead_state {
    LEAD_FOLLOWS, // another node is the lead, or nobody
    LEAD_TAKES,   // the lease is this node's; the chains are being taken
    LEAD_LEADS,   // the roles may run
    LEAD_LOSES,   // the roles have to be killed; until lead_roles_ended()
    LEAD_LEAVES // the roles have to finish their work; until lead_roles_ended()
};

struct lead_view {
    enum lead_state state;
    bool is_lead_known;
    struct cluster_member lead; // of the last time that it was known
};

struct lead_config {
    struct journal *journal;   // borrowed
    const char *data_dir;      // borrowed
    struct chain_host **hosts; // borrowed
    size_t n_hosts;
    struct cluster_member me;
    void (*on_change)(void *data); // on the thread
    void *data;
};

// Starts the thread. ERR_IO.
MUST_CHECK enum err lead_start(const struct lead_config *config,
                               struct lead **out);

// All below return at once, and may be called by any thread.

struct lead_view lead_view(struct lead *l);

// Gives the lead up if it was not known to be this node's for 15 s. To be called twice a
// second by a thread that never waits.
void lead_check(struct lead *l);

// No role that writes runs any more.
void lead_roles_ended(struct lead *l);

// This node does not become the lead any more; if it is, it leaves. False: it may again.
void lead_set_drained(struct lead *l, bool is_drained);

// The lease of this node is given back, and the thread ends. Waits for that. The node must
// not be the lead.
void lead_stop(struct lead *l);

#endif
