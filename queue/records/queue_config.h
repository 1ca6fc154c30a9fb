// SPDX-License-Identifier: MIT
// queue_config.h — parameters for opening a queue, and its limits. Part of queue.h,
// which is what to include outside of queue/.

#ifndef QUEUE_RECORDS_QUEUE_CONFIG_H
#define QUEUE_RECORDS_QUEUE_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "common/fairness/share.h"
#include "common/model/shard.h"

struct keyring;
struct payload_keys;

// Formats of data directories: the one that this program writes, and the oldest
// that it converts.
#define QUEUE_FORMAT        5
#define QUEUE_FORMAT_OLDEST 4

struct queue_config {
    const char *data_dir; // borrowed
    uint64_t max_bytes;   // quota; the maps are this large, those of deliveries
                          // four times
    unsigned n_shards;    // dispatchers, 1..QUEUE_SHARDS_MAX
    struct keyring *keys; // borrowed; of the hooks' secrets; NULL: none
    // Borrowed; what payloads are sealed with; NULL: sealed payloads cannot be read.
    struct payload_keys *payload_keys;
    bool seal_payloads; // of new events; needs payload_keys
    bool
        is_replicated; // environments are copies of chains; writers use chain_link.h
    struct share_limit
        stacks; // of the names of stacks in each environment that
                // notes them; zeros: a million, a tenth for one
};

#endif
