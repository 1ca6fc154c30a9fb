// SPDX-License-Identifier: MIT
// turn_list.h — waiting work that is taken in turns: after a turn, a holder's
// entries go behind those of all other holders.
//
// A list is a pointer to its first entry, NULL if it is empty. Nothing is
// allocated: a `struct turn_entry` is a member of the waiting object.

#ifndef COMMON_FAIRNESS_TURN_LIST_H
#define COMMON_FAIRNESS_TURN_LIST_H

#include <stdint.h>

struct turn_entry {
    struct turn_entry *next;
    uint64_t holder_no; // the organization it waits for
};

// Puts an entry at the end.
void turn_add(struct turn_entry **first, struct turn_entry *t,
              uint64_t holder_no);

// Removes an entry that is in the list.
void turn_remove(struct turn_entry **first, const struct turn_entry *t);

// Moves the entries of the holder that had its turn behind all others; both groups
// keep their order.
void turn_pass(struct turn_entry **first, uint64_t holder_no);

#endif
