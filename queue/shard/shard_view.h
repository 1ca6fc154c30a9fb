// SPDX-License-Identifier: MIT
// shard_view.h — the reading end of a shard, for any process. Part of queue.h, which is
// what to include outside of queue/.

#ifndef QUEUE_SHARD_SHARD_VIEW_H
#define QUEUE_SHARD_SHARD_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/model/event.h"
#include "queue/erasure/erasure_mark.h"
#include "queue/listing/listed_event.h"
#include "queue/records/counts.h"
#include "queue/records/queue_config.h"

struct hook_store;
struct payload_work;
struct shard_view;

MUST_CHECK enum err shard_view_open(const struct queue_config *config,
                                    unsigned k, struct shard_view **out);

MUST_CHECK enum err shard_view_counts(struct shard_view *view,
                                      struct shard_counts *out);
MUST_CHECK enum err shard_view_cursor(struct shard_view *view,
                                      struct position *out);

// The number of the oldest row of the history that retention has kept, and, unless
// `started_at_us` is NULL, when that attempt began (UTC epoch). If there is no row: what
// history_end() tells, and 0.
MUST_CHECK enum err history_begin(struct shard_view *view, uint64_t *first_no,
                                  int64_t *started_at_us);
// The number that the next row of the history will have.
MUST_CHECK enum err history_end(struct shard_view *view, uint64_t *next_no);

// Counts attempts of an owner, whether or not they can be read, from row `*from_no` on, up
// to `max` of them; `*from_no` is then where to continue. `is_end`: there are no more.
MUST_CHECK enum err history_count(struct shard_view *view, uint64_t owner_no,
                                  uint64_t *from_no, size_t max, uint64_t *n,
                                  bool *is_end);

// How far the last erasure of an organization is in this shard.
MUST_CHECK enum err shard_view_erasure(struct shard_view *view,
                                       struct erasure_mark *out);

// Whether the shard has erased the payload of the event, by an order that is not removed.
MUST_CHECK enum err shard_view_has_erased(struct shard_view *view,
                                          struct position position, bool *out);

// What the shard has to do for orders to erase payloads.
MUST_CHECK enum err shard_view_payload_work(struct shard_view *view,
                                            struct hook_store *hooks,
                                            struct payload_work *out);

// Where the shard's list of events is whole: behind `from`, up to `to`, its cursor.
MUST_CHECK enum err shard_view_listed_range(struct shard_view *view,
                                            struct listed_range *out);
// Reads the row of the organization with the greatest block up to `block`; `out->org` is
// `org`. Damaged rows are skipped and logged. ERR_NOTFOUND: there is none.
MUST_CHECK enum err shard_view_listed(struct shard_view *view,
                                      enum dialect dialect, struct str org,
                                      uint64_t block, struct listed_row *out);
// Reads the first row, of whichever organization, behind the key in `key`, and sets `key`
// to its own; `out->org` points into `key`. An empty key is before all rows. Damaged rows
// are skipped. ERR_NOTFOUND: there is none.
MUST_CHECK enum err shard_view_listed_next(struct shard_view *view,
                                           struct buf *key,
                                           struct listed_row *out);
// Sets `key` to a key behind all rows of the organization.
void shard_view_listed_behind(enum dialect dialect, struct str org,
                              struct buf *key);

// Whether a delivery needs an event of this block (event number / 64).
MUST_CHECK enum err shard_view_needs(struct shard_view *view, uint64_t block,
                                     bool *out);

#endif
