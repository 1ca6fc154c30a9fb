// SPDX-License-Identifier: MIT
// repair_parts.h — which parts belong to the directory that is repaired, and as
// which shard.

#ifndef QUEUE_ADMIN_REPAIR_PARTS_H
#define QUEUE_ADMIN_REPAIR_PARTS_H

#include "queue/admin/salvage.h"

#define FROM_NOTHING QUEUE_SHARDS_MAX

struct parts {
    struct salvage *events, *hooks;
    struct salvage *shards; // indexed by directory
    unsigned n_dirs;
    const struct format *format;
    void (*on_fault)(void *data, const char *what);
    void *data;

    unsigned n_shards; // of the directory that is repaired
    unsigned from
        [QUEUE_SHARDS_MAX]; // indexed by shard: its directory, or FROM_NOTHING
};

// All parts are open. Clears is_there of parts of another directory, and of shards
// that are taken from elsewhere; reports each.
void parts_check(struct parts *p);

#endif
