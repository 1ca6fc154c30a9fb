// SPDX-License-Identifier: MIT
// turn_list.h — work that waits, for which those that hold it have turns: whoever has
// had one goes behind all others.
//
// A list is a pointer to its first entry, NULL if it is empty. Nothing is allocated: a
// `struct turn_entry` is a member of what waits.

#ifndef COMMON_FAIRNESS_TURN_LIST_H
#define COMMON_FAIRNESS_TURN_LIST_H

#include <stdint.h>

struct turn_entry {
    struct turn_entry *next;
    uint64_t holder_no; // on whose behalf it waits
};

// Puts an entry at the end.
void turn_add(struct turn_entry **first, struct turn_entry *t,
              uint64_t holder_no);

// Takes an entry out, which is in the list.
void turn_remove(struct turn_entry **first, const struct turn_entry *t);

// The entries of the holder that had its turn go behind all others; both keep their
// order.
void turn_pass(struct turn_entry **first, uint64_t holder_no);

#endif
