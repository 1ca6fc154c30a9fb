// SPDX-License-Identifier: MIT
// parts.h — a large post is stored in parts, with commits of other organizations in
// between, and becomes visible in parts, too, but not before all are stored.
//
//   numbers of events:
//   … others | gap | part | gap | part | gap | part
//            ^ the log's end
//
// Each part lies behind a gap. While the parts are stored, events of others go into the
// first gap. Then the log's end moves over one or a few parts with each commit, and events
// of others go into the gap behind them; what is left of a gap is never used. So readers,
// which read up to the log's end and know nothing of parts, find events of others
// between those of the large post.

#ifndef QUEUE_EVENT_LOG_PARTS_H
#define QUEUE_EVENT_LOG_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "queue/event_log/parts_state.h"
#include "queue/event_rows/append.h"
#include "queue/lmdb/environment.h"

struct event_log;

// How much an append counts of PART_WEIGHT.
size_t parts_weight(const struct append *a);
bool parts_are_needed(const struct append *a);

// Begins to store `a` in parts; none is open.
void parts_open(struct parts *p, struct append *a);

// Goes on to remove what is stored of a post from number `from` on; none is open.
void parts_resume_undo(struct parts *p, uint64_t from);

// Events from this number on are being removed. UINT64_MAX: none.
uint64_t parts_removed_from(const struct parts *p);

// How many events of others may be put before the next part becomes visible, if the
// log's next number is `next`.
uint64_t parts_room(const struct parts *p, uint64_t next);

// Whether hidden events lie behind the log's end.
bool parts_are_stored(const struct parts *p);

// In the worker: stores a part, or makes some visible, or removes some events.
MUST_CHECK enum err parts_work(struct event_log *log, MDB_txn *txn);

// On the loop, after a commit that took `took_us` and of which nothing failed: fits the
// size of a part to the disk, so that its commit takes between 1.25 and 2 times as long as
// one of others. Where a commit takes long whatever is in it, parts are larger: smaller
// ones would spare others little, and there would be many more of them.
void parts_fit_size(struct parts *p, int64_t took_us);

// On the loop, after a commit that worked on it, which ended with `commit_err`. Gives
// the append that has ended with `err`; NULL: it goes on.
struct append *parts_after(struct parts *p, enum err commit_err, enum err *err);

#endif
