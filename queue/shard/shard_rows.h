// SPDX-License-Identifier: MIT
// shard_rows.h — the due rows of a shard, as its owner reads them, and the first one of a
// hook, for any process. Part of queue.h, which is what to include outside of queue/.

#ifndef QUEUE_SHARD_SHARD_ROWS_H
#define QUEUE_SHARD_SHARD_ROWS_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/model/delivery.h"

struct shard;
struct shard_view;

struct due_query {
    uint64_t hook_id;
    const struct due_row
        *after;       // borrowed; rows after it. NULL: from the first
    int64_t until_ms; // due at or before
};

// Reads up to `max` due rows of a hook in due order. Committed rows only.
MUST_CHECK enum err shard_due_read(struct shard *s,
                                   const struct due_query *query,
                                   struct due_row *rows, size_t max, size_t *n);

// Reads the row of this hook, due time and event. ERR_NOTFOUND. Committed rows
// only.
MUST_CHECK enum err shard_due_get(struct shard *s, uint64_t hook_id,
                                  int64_t due_at_ms, struct position position,
                                  struct due_row *out);

// Visits each hook that has due rows, with its first due time: one seek per hook.
typedef void (*due_hook_visit)(void *data, uint64_t hook_id,
                               int64_t first_due_at_ms);
MUST_CHECK enum err shard_due_hooks(struct shard *s, due_hook_visit visit,
                                    void *data);

// Finds the first hook with a number of at least `from` that has due rows, and which of
// them is due first; only hook, due time and position are set. ERR_NOTFOUND: there is
// none.
MUST_CHECK enum err shard_view_due(struct shard_view *view, uint64_t from,
                                   struct due_row *out);

// Numbers of events: `at` has room for `max`, of which `n` are there.
struct event_numbers {
    uint64_t *at; // borrowed
    size_t n, max;
};

// Appends the events of which a delivery to the hook waits or is a dead letter. A list that
// is full then may lack some.
MUST_CHECK enum err shard_view_hook_events(struct shard_view *view,
                                           uint64_t hook_id,
                                           struct event_numbers *out);

#endif
