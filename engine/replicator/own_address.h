// SPDX-License-Identifier: MIT
// own_address.h — the addresses at which other nodes reach this one.

#ifndef ENGINE_REPLICATOR_OWN_ADDRESS_H
#define ENGINE_REPLICATOR_OWN_ADDRESS_H

#include "common/base/err.h"
#include "common/config/config.h"
#include "queue/queue.h"

// Sets `api` and `ingest` of the member, with numbers: the host is the setting node_host;
// or that of the listener; or, where that listens on all addresses, the one from which this
// machine reaches the first server of the cluster. ERR_NOTFOUND: it cannot be told, for
// example while the name of that server cannot be resolved.
MUST_CHECK enum err own_address_find(const struct config *config,
                                     struct cluster_member *member);

#endif
