// SPDX-License-Identifier: MIT
// listing.h — which events were matched, and by how many hooks: rows of the list of
// events, filled between two commits.

#ifndef ENGINE_DISPATCHER_RECORD_LISTING_H
#define ENGINE_DISPATCHER_RECORD_LISTING_H

#include "engine/dispatcher/loop/dispatcher.h"

// The shard and the hooks are open; before the log is read.
void listing_init(struct dispatcher *d);

// Notes an event that `n_matched` hooks of this shard want. The commit that moves the
// cursor past it must be the one that has what listing_flush() adds next.
void listing_note(struct dispatcher *d, const struct event *event,
                  uint64_t n_matched);

// Adds what was noted to d->open_batch.
void listing_flush(struct dispatcher *d);

// Looks which organization is erased: its events are not noted.
void listing_on_second(struct dispatcher *d);

#endif
