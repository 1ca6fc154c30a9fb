// SPDX-License-Identifier: MIT
// progress.h — progress of long operations. Part of queue.h, which is what to
// include outside of queue/.

#ifndef QUEUE_ADMIN_PROGRESS_H
#define QUEUE_ADMIN_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

// Progress: `done` of `total` records or pages. Return false to stop.
typedef bool (*queue_progress)(void *data, uint64_t done, uint64_t total);

#endif
