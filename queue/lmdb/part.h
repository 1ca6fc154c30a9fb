// SPDX-License-Identifier: MIT
// part.h — the parts of a data directory: its environments, by kind.

#ifndef QUEUE_LMDB_PART_H
#define QUEUE_LMDB_PART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "queue/lmdb/environment.h"
#include "queue/records/queue_config.h"

// A part of a data directory: one environment.
struct part {
    char name[32]; // "deliveries/1"
    const char *const *dbs;
    size_t n_dbs;
    unsigned meta_db;
    uint64_t map_bytes;
    uint64_t shard, n_shards;
};

// Part `i`: events, hooks, then the shards, config->n_shards + 2 in all.
struct part part_of(const struct queue_config *config, unsigned i);
MUST_CHECK enum err part_open(const struct queue_config *config,
                              const struct part *part, bool read_only,
                              struct store **out);

#endif
