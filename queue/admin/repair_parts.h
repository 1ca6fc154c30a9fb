// SPDX-License-Identifier: MIT
// repair_parts.h — which parts are of the directory that is repaired, and as what.

#ifndef QUEUE_ADMIN_REPAIR_PARTS_H
#define QUEUE_ADMIN_REPAIR_PARTS_H

#include "queue/admin/salvage.h"

#define FROM_NOTHING QUEUE_SHARDS_MAX

struct parts {
    struct salvage *events, *hooks;
    struct salvage *shards; // by their directories
    unsigned n_dirs;
    const struct format *format;
    void (*on_fault)(void *data, const char *what);
    void *data;

    unsigned n_shards; // of the directory that is repaired
    unsigned
        from[QUEUE_SHARDS_MAX]; // of a shard: its directory, or FROM_NOTHING
};

// All are open. What is of another directory, or of a shard that is taken from
// elsewhere, is not there any more (is_there); each is said.
void parts_judge(struct parts *p);

#endif
