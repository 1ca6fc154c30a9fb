// SPDX-License-Identifier: MIT
// part.c — the parts of a data directory: its environments, by kind.

#include "queue/lmdb/part.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/base/mem.h"
#include "queue/records/schema.h"

struct part part_of(const struct queue_config *config, unsigned i)
{
    struct part part = { .map_bytes = config->max_bytes };

    switch (i) {
    case 0:
        snprintf(part.name, sizeof(part.name), "events");
        part.dbs = events_dbs;
        part.n_dbs = EVENTS_DBS;
        part.meta_db = EVENTS_META;
        break;
    case 1:
        snprintf(part.name, sizeof(part.name), "hooks");
        part.dbs = hooks_dbs;
        part.n_dbs = HOOKS_DBS;
        part.meta_db = HOOKS_META;
        break;
    default:
        snprintf(part.name, sizeof(part.name), "deliveries/%u", i - 2);
        part.dbs = shard_dbs;
        part.n_dbs = SHARD_DBS;
        part.meta_db = SHARD_META;
        part.map_bytes = store_shard_map(config->max_bytes);
        part.shard = i - 2;
        part.n_shards = config->n_shards;
        break;
    }
    return part;
}

enum err part_open(const struct queue_config *config, const struct part *part,
                   bool read_only, struct store **out)
{
    char *dir = xasprintf("%s/%s", config->data_dir, part->name);
    enum err err = store_open(dir, part->map_bytes, read_only, part->dbs,
                              part->n_dbs, out);

    free(dir);
    return err;
}
