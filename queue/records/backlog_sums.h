// SPDX-License-Identifier: MIT
// backlog_sums.h — how much waits for each hook, summed up while rows move. Part of
// queue.h, which is what to include outside of queue/.
//
// The sums are not stored on disk: they are counted once from the due index, and
// each transaction's changes are added. So transactions write no more than without
// sums, and a sum cannot be damaged.

#ifndef QUEUE_RECORDS_BACKLOG_SUMS_H
#define QUEUE_RECORDS_BACKLOG_SUMS_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/str.h"

// What waits for a hook: rows in the due index, and the payloads of their events.
struct backlog {
    int64_t n_rows;
    int64_t n_bytes;
};

typedef void (*backlog_visit)(void *data, uint64_t hook_id,
                              const struct backlog *backlog);

// Sums by hook: of an index, or of the changes by a transaction.
// Closed to other rooms.
struct backlog_sums {
    struct backlog_sum {
        uint64_t hook_id; // 0: the entry is free
        struct backlog backlog;
    } * at;           // owned; open addressing
    size_t n, n_mask; // n_mask + 1 entries, if `at` is not NULL
};

void backlog_sums_reset(struct backlog_sums *s); // empty, for reuse
void backlog_sums_clear(struct backlog_sums *s);

// Adds a row of the due index (sign 1) or subtracts it (-1). A damaged row has no
// bytes.
void backlog_sums_add(struct backlog_sums *s, uint32_t place, struct str key,
                      struct str row, int sign);

void backlog_sums_each(const struct backlog_sums *s, backlog_visit visit,
                       void *data);

#endif
