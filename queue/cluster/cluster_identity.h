// SPDX-License-Identifier: MIT
// cluster_identity.h — what all nodes of a cluster have in common. Part of queue.h, which is
// what to include outside of queue/.
//
// The value "identity" of the journal holds it, sealed with the keys that seal the secrets of
// webhooks; so a node without these keys cannot join.

#ifndef QUEUE_CLUSTER_CLUSTER_IDENTITY_H
#define QUEUE_CLUSTER_CLUSTER_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "queue/records/queue_config.h"

struct journal;

#define CLUSTER_ID_BYTES    16
#define CLUSTER_KEY_BYTES   32
#define CLUSTER_TOKEN_BYTES 256

struct cluster_identity {
    uint8_t id[CLUSTER_ID_BYTES];   // of the data directories, in FORMAT
    uint8_t key[CLUSTER_KEY_BYTES]; // of FORMAT's hashes
    unsigned n_shards;              // dispatchers
    char admin_token
        [CLUSTER_TOKEN_BYTES]; // of the file admin.token, without its line end
};

// ERR_NOTFOUND: the journal holds no cluster yet. ERR_DENIED: `keys` are not the cluster's.
// ERR_AGAIN, ERR_CORRUPT.
MUST_CHECK enum err cluster_identity_get(struct journal *j,
                                         struct keyring *keys,
                                         struct cluster_identity *out);

// ERR_EXISTS: the journal holds a cluster. ERR_AGAIN: not known whether it is stored.
MUST_CHECK enum err
cluster_identity_put(struct journal *j, struct keyring *keys,
                     const struct cluster_identity *identity);

// Reads it from a data directory; n_shards is that of `config`. ERR_NOTFOUND: there is no
// such directory, or it has no FORMAT.
MUST_CHECK enum err cluster_identity_read(const struct queue_config *config,
                                          struct cluster_identity *out);

#endif
