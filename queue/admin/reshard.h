// SPDX-License-Identifier: MIT
// reshard.h — changes the number of shards.

#ifndef QUEUE_ADMIN_RESHARD_H
#define QUEUE_ADMIN_RESHARD_H

#include "common/base/err.h"
#include "queue/records/queue_config.h"

// Builds deliveries.new with config->n_shards shards from the `n_old` in
// deliveries, and syncs it; the old shards stay unchanged.
MUST_CHECK enum err reshard(const struct queue_config *config, unsigned n_old);

#endif
