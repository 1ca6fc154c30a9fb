// SPDX-License-Identifier: MIT
// progress.h — how far something is that takes long. Part of queue.h, which is what to
// include outside of queue/.

#ifndef QUEUE_ADMIN_PROGRESS_H
#define QUEUE_ADMIN_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

// So many records of all that there are. False: it shall end.
typedef bool (*queue_progress)(void *data, uint64_t done, uint64_t total);

#endif
