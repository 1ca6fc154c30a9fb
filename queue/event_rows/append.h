// SPDX-License-Identifier: MIT
// append.h — what is to be appended to the event log. Part of queue.h, which is what to
// include outside of queue/.

#ifndef QUEUE_EVENT_ROWS_APPEND_H
#define QUEUE_EVENT_ROWS_APPEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/base/list.h"
#include "common/base/str.h"
#include "common/fairness/turn_list.h"
#include "common/model/event.h"
#include "common/process/blame.h"

#define EVENT_KEY_BYTES 16

struct new_event { // filled by the caller
    struct event event;
    struct str idempotency; // idempotency key; empty: none.
                            // An id that the producer chose acts as one.
    const struct new_event *repeats; // private to the event log
    bool has_key;                    // private to the event log
    uint8_t key[EVENT_KEY_BYTES];    // private to the event log
    bool has_id;     // the producer chose event.id; else one is made
    bool was_stored; // out: false for a repetition, which is not stored
};

// A request to append, owned by the caller until `done` runs. Either all of its
// events are committed, or none.
struct append {
    struct new_event *events; // borrowed, with all they point to; ids,
                              // positions and was_stored are filled in
    size_t n_events;
    // OK: committed and synced. ERR_CONFLICT: the event `fault` has the id or key
    // of another event of the last 24 h with another kind or payload. ERR_AGAIN: the key
    // of the organization's payloads cannot be made or read, which is logged. ERR_FULL: no
    // room on the disk or in the map. ERR_LOST: the log's files were removed or
    // replaced. ERR_IO: the log is broken; the process should end. On any error but
    // ERR_LOST, nothing of the request is stored.
    void (*done)(struct append *a, enum err err);
    void *data;           // for the caller
    struct blamed blamed; // what the worker notes while it works on it
    int64_t now_us; // UTC epoch: ids and keys are known for 24 h before it;
                    // 0: when the events were accepted
    size_t fault;   // out, with ERR_CONFLICT: index into `events`
    size_t weight;  // private: how much of a commit it takes (parts.h)
    enum err err;   // private
    struct list_node all; // private: among all that are not done
    // private; the holder is a hash of the organization, which all events have
    struct turn_entry turn;
};

#endif
