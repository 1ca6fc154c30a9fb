// SPDX-License-Identifier: MIT
// turn_list.h — waiting work that is taken in turns: after a turn, a holder's
// entries go behind those of all other holders.
//
// An entry is a member of the waiting object; list_remove() takes it out of its list.

#ifndef COMMON_FAIRNESS_TURN_LIST_H
#define COMMON_FAIRNESS_TURN_LIST_H

#include <stdint.h>

#include "common/base/list.h"

struct turn_entry {
    struct list_node node; // first: it is cast
    uint64_t holder_no;    // the organization it waits for
};

// Puts an entry at the end.
void turn_add(struct list *turns, struct turn_entry *t, uint64_t holder_no);

// Moves the entries of the holder that had its turn behind all others; both groups
// keep their order.
void turn_pass(struct list *turns, uint64_t holder_no);

#endif
