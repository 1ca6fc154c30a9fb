// SPDX-License-Identifier: MIT
// org_keep.h — the organizations that have a retention of their own, in memory.

#ifndef ENGINE_DISPATCHER_REMOVAL_ORG_KEEP_H
#define ENGINE_DISPATCHER_REMOVAL_ORG_KEEP_H

#include "engine/dispatcher/loop/dispatcher.h"
#include "queue/queue.h"

struct org_keep_entry {
    uint64_t org_no;
    struct org_retention kept; // as stored; the settings may be shorter
};

struct org_keep {
    uint64_t revision; // of the retentions when they were read
    bool is_read;
    struct org_keep_entry *entries; // by number; owned
    struct shard_org_retention *at; // of the same organizations; owned
    size_t n, room;
};

// Reads the retentions anew if a value of an organization has changed, and sets up to when
// each keeps what it has. Not while the shard trims.
void org_keep_refresh(struct dispatcher *d, struct org_keep *k, int64_t now_us);

#endif
