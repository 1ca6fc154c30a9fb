// SPDX-License-Identifier: MIT
// listed_event.h — what a shard notes of an event that it has matched. Part of queue.h.

#ifndef QUEUE_LISTING_LISTED_EVENT_H
#define QUEUE_LISTING_LISTED_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/str.h"
#include "common/model/event.h"

// Events of a block of positions share a row: those with the same position / this.
#define LISTED_BLOCK 128

struct listed_event {
    uint64_t number;    // of its position
    uint32_t n_matched; // hooks of the shard that want it
    uint32_t kind;      // listed_kind()
};

// 32 bits of a hash of the kind: kinds that differ may share it, so compare the kind, too.
uint32_t listed_kind(struct str kind);

// The events of an organization in a block of positions, ascending.
struct listed_row {
    enum dialect dialect;
    struct str org;    // borrowed
    uint64_t block;    // number of a position / LISTED_BLOCK
    int64_t newest_us; // when the last of them was accepted (UTC epoch)
    struct listed_event events[LISTED_BLOCK];
    size_t n;
};

// The shard that notes all events of an organization; others note those that their hooks
// want.
unsigned listed_home(enum dialect dialect, struct str org, unsigned n_shards);

// Where a shard's list is whole: it has the events behind `from` up to `to`.
struct listed_range {
    struct position from, to;
};

#endif
