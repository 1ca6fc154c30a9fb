// SPDX-License-Identifier: MIT
// stacks_seen.h — which names of stacks were noted lately.

#ifndef QUEUE_CATALOG_STACKS_SEEN_H
#define QUEUE_CATALOG_STACKS_SEEN_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/text.h"

#define STACKS_SEEN 4096

// Three names, or with an environment four, and what separates them.
#define STACK_KEY_MAX_BYTES (3 * NAME_MAX_BYTES + 3)

// What was noted lately, so that it need not be looked up again: whole keys, since a
// name that is taken for another one is never noted. Zeros: empty.
struct stacks_seen {
    struct {
        char *at; // owned; NULL: nothing
        size_t n_bytes;
    } keys[STACKS_SEEN];
    bool is_full;     // all organizations together; the warning was logged
    bool is_one_full; // one organization; the warning was logged
};

#endif
