// SPDX-License-Identifier: MIT
// upkeep.h — what a process does every second for the environments that it has
// open. Part of queue.h, which is what to include outside of queue/.

#ifndef QUEUE_LMDB_UPKEEP_H
#define QUEUE_LMDB_UPKEEP_H

#include <stdbool.h>

// Removes the reader slots of processes that died, and looks whether the files
// that this process has open are still in their place. Every process that opened
// something calls it every second: a dead reader pins pages, and the file
// grows.
void queue_upkeep(void);

// Whether all of them were in their place when last looked at: by the upkeep,
// and after each commit.
bool queue_is_in_place(void);

// Gives back the memory of database pages read so far (they stay in the page
// cache). Call it every second or so: it acts only when there is much.
void queue_trim_memory(void);

#endif
