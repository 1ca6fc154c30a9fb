// SPDX-License-Identifier: MIT
// node_requests.h — what a node is asked by others, and by `posthorn cluster`.
//
// The body of a request is a word: "status": the answer is a JSON object that tells how far
// each part is. "drain": this node leaves the lead, and does not take it again until "join".

#ifndef ENGINE_REPLICATOR_NODE_REQUESTS_H
#define ENGINE_REPLICATOR_NODE_REQUESTS_H

#include "common/base/err.h"
#include "engine/replicator/lead.h"
#include "queue/queue.h"

struct node_requests {
    struct lead_config lead_config; // borrowed
    struct lead *lead;              // borrowed
};

// Serves the address of this node, on a thread of the journal. ERR_AGAIN: it cannot be
// served now.
MUST_CHECK enum err node_requests_serve(struct node_requests *n);

#endif
