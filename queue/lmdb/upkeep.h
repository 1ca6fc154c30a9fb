// SPDX-License-Identifier: MIT
// upkeep.h — what a process does every second for its open environments. Part of
// queue.h, which is what to include outside of queue/.

#ifndef QUEUE_LMDB_UPKEEP_H
#define QUEUE_LMDB_UPKEEP_H

#include <stdbool.h>

// Clears the reader slots of dead processes, and checks whether the files that this
// process has open are still in their place. Every process that opened an
// environment calls it every second: a dead reader pins pages, and the file grows.
void queue_upkeep(void);

// Whether all of these files were in their place at the last check, which the
// upkeep and each commit make.
bool queue_is_in_place(void);

// Releases the memory of database pages read so far (they stay in the page cache).
// Call it every second or so: it acts only when there is much to release.
void queue_trim_memory(void);

#endif
