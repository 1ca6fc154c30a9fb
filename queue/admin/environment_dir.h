// SPDX-License-Identifier: MIT
// environment_dir.h — makes and counts the directories of environments. Part of
// queue.h, which is what to include outside of queue/.

#ifndef QUEUE_ADMIN_ENVIRONMENT_DIR_H
#define QUEUE_ADMIN_ENVIRONMENT_DIR_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"

struct store;

// The number of shards in `data_dir`. ERR_NOTFOUND: there is no queue.
MUST_CHECK enum err queue_n_shards(const char *data_dir, unsigned *n);

// Makes and opens an environment, synced.
MUST_CHECK enum err prepare_environment(const char *dir, uint64_t map_bytes,
                                        const char *const *names,
                                        size_t n_names, struct store **out);

#endif
