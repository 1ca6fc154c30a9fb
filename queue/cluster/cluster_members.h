// SPDX-License-Identifier: MIT
// cluster_members.h — the nodes of a cluster, and which of them is the lead. Part of queue.h,
// which is what to include outside of queue/.
//
// The value "member.<node>" of the journal says how a node is reached. While the node runs,
// it holds the lease "node.<node>"; the lead holds the lease "lead". The holder of a lease is
// named by node and a random name of its data directory, so that two directories with the
// same node name are told apart. A node answers requests at the address "node.<node>".

#ifndef QUEUE_CLUSTER_CLUSTER_MEMBERS_H
#define QUEUE_CLUSTER_CLUSTER_MEMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/str.h"

struct journal;

#define CLUSTER_NODE_BYTES    33 // a node's name, with its NUL
#define CLUSTER_HOLDER_BYTES  64
#define CLUSTER_ADDRESS_BYTES 80
#define CLUSTER_VERSION_BYTES 32
#define CLUSTER_MEMBERS_MAX   64
#define CLUSTER_LEAD          "lead" // the lease
#define CLUSTER_MEMBER_PREFIX "member."

// Whether it can be a node's name: 1 to 32 letters, digits, '-' and '_'.
bool cluster_node_is_valid(struct str name);

struct cluster_member {
    char node[CLUSTER_NODE_BYTES];
    char holder[CLUSTER_HOLDER_BYTES];  // how its leases name it
    char api[CLUSTER_ADDRESS_BYTES];    // "10.0.0.7:8080"
    char ingest[CLUSTER_ADDRESS_BYTES]; // "10.0.0.7:8081"
    char version[CLUSTER_VERSION_BYTES];
    bool is_drained; // it does not become the lead
    // Set by reading, not stored:
    bool is_live; // it holds its lease
    bool is_lead;
    uint64_t revision;
};

// All members, by name. `*n` at most CLUSTER_MEMBERS_MAX. ERR_AGAIN.
MUST_CHECK enum err cluster_members(struct journal *j,
                                    struct cluster_member *out, size_t *n);
// ERR_NOTFOUND. Does not set is_live and is_lead.
MUST_CHECK enum err cluster_member_get(struct journal *j, struct str node,
                                       struct cluster_member *out);
// Stores it, if its revision is still `m->revision` (0: there is none), and sets that.
// ERR_CONFLICT, ERR_AGAIN.
MUST_CHECK enum err cluster_member_put(struct journal *j,
                                       struct cluster_member *m);
// ERR_NOTFOUND, ERR_CONFLICT, ERR_AGAIN.
MUST_CHECK enum err cluster_member_remove(struct journal *j, struct str node);

// The name of this node's holder: node, and the random name in DATA_DIR/node.id, which is
// made if it is not there. ERR_IO.
MUST_CHECK enum err cluster_holder(const char *data_dir, const char *node,
                                   char out[CLUSTER_HOLDER_BYTES]);

// The node in a holder's name.
struct str cluster_node_of(struct str holder);

// Appends "node.<node>", which names a node's lease and its address for requests.
void cluster_put_node_name(struct buf *out, struct str node);

#endif
