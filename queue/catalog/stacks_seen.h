// SPDX-License-Identifier: MIT
// stacks_seen.h — names of stacks that were recorded lately.

#ifndef QUEUE_CATALOG_STACKS_SEEN_H
#define QUEUE_CATALOG_STACKS_SEEN_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/text.h"

#define STACKS_SEEN 4096

// Three names, or four with an environment, and what separates them.
#define STACK_KEY_MAX_BYTES (3 * NAME_MAX_BYTES + 3)

// Names that were recorded lately and need no lookup. Whole keys are stored, since
// a name that was mistaken for another one would never be recorded. Zeros: empty.
struct stacks_seen {
    struct {
        char *at; // owned; NULL: the entry is free
        size_t n_bytes;
    } keys[STACKS_SEEN];
    bool is_full;     // all organizations together; a warning was logged
    bool is_one_full; // one organization; a warning was logged
};

#endif
