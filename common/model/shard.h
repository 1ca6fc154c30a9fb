// SPDX-License-Identifier: MIT
// shard.h — the parts into which the deliveries of an engine are divided.

#ifndef COMMON_MODEL_SHARD_H
#define COMMON_MODEL_SHARD_H

// Each shard belongs to one dispatcher.
#define QUEUE_SHARDS_MAX 64

#endif
