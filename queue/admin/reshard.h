// reshard.h — another number of shards.

#ifndef QUEUE_ADMIN_RESHARD_H
#define QUEUE_ADMIN_RESHARD_H

#include "queue/lmdb/environment.h"
#include "queue/queue.h"

// Builds deliveries.new with config->n_shards shards from the `n_old` of
// deliveries, synced; what was there stays as it was.
MUST_CHECK enum err reshard(const struct queue_config *config, unsigned n_old);

// data_dir.c: makes and opens an environment, synced.
MUST_CHECK enum err prepare_environment(const char *dir, uint64_t map_bytes,
                                        const char *const *names,
                                        size_t n_names, struct store **out);

#endif
