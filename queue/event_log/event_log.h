// SPDX-License-Identifier: MIT
// event_log.h — the writing end of the event log. Part of queue.h, which is what to
// include outside of queue/.

#ifndef QUEUE_EVENT_LOG_EVENT_LOG_H
#define QUEUE_EVENT_LOG_EVENT_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/base/str.h"
#include "common/encoding/id.h"
#include "queue/event_rows/append.h"
#include "queue/records/queue_config.h"
#include "queue/records/retention.h"

struct uv_loop_s;

struct event_log;

// The writing end. `loop` runs the callbacks; it must outlive the log.
MUST_CHECK enum err event_log_open(const struct queue_config *config,
                                   struct uv_loop_s *loop,
                                   struct event_log **out);

// `done` runs exactly once, later, on the loop. Requests that arrive while a commit
// runs form the next commit (group commit).
void event_log_append(struct event_log *log, struct append *a);

// Withdraws a request. True: nothing of it is stored, and `done` will not run.
// False: its commit is under way, and `done` will run.
bool event_log_take_back(struct event_log *log, struct append *a);

// How long the commit that is under way has taken so far. 0: there is none.
int64_t event_log_busy_us(const struct event_log *log);

// The number of appends that are not done yet.
size_t event_log_pending(const struct event_log *log);

// Where the log ends, as committed.
struct position event_log_end(const struct event_log *log);

// Bytes in use (file less free pages).
MUST_CHECK enum err event_log_usage(struct event_log *log, uint64_t *n_bytes);

// When the last event was accepted (UTC epoch), as of the opening; 0: there was
// none.
int64_t event_log_last_us(const struct event_log *log);

// Whether an append of the organization is not done yet.
bool event_log_is_awaited(const struct event_log *log, struct str org);

// The event log is to remove all that it has of an organization, together with what
// event_log_trim() removes, which has to be called then. The caller appends no event of
// it, until the erasure is done. Does nothing while it is being removed, or once it is:
// event_view_erasure() tells.
MUST_CHECK enum err event_log_erase(struct event_log *log,
                                    const struct id *erasure, struct str org);

// Starts removing up to `max` events that every shard's cursor has passed and that
// no delivery needs any more: in a separate commit off the loop, before the next
// batch of appends. While there is more to remove it continues, alternating with
// batches. Does nothing while another trim runs. Call it every second.
void event_log_trim(struct event_log *log, const struct event_retention *keep,
                    size_t max);

#endif
