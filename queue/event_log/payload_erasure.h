// SPDX-License-Identifier: MIT
// payload_erasure.h — erases payloads in the event log, as orders say. Part of queue.h,
// which is what to include outside of queue/.

#ifndef QUEUE_EVENT_LOG_PAYLOAD_ERASURE_H
#define QUEUE_EVENT_LOG_PAYLOAD_ERASURE_H

struct event_log;
struct hook_store;

// Reads the orders to erase payloads that the log has not worked off, and which of its notes
// have no order any more; event_log_trim(), which has to be called then, works them off.
// What cannot be read is logged.
void event_log_work_orders(struct event_log *log, struct hook_store *hooks);

#endif
