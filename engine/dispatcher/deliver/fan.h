// SPDX-License-Identifier: MIT
// fan.h — a fan: the deliveries of one event. If many hooks want it, they are made in
// slices.
//
// While a fan is open the event counts as not read yet: nothing is committed, so that
// after a crash it is matched as a whole, and no event behind it is read.

#ifndef ENGINE_DISPATCHER_DELIVER_FAN_H
#define ENGINE_DISPATCHER_DELIVER_FAN_H

#include "common/base/arena.h"
#include "engine/delivery/event_facts.h"
#include "engine/dispatcher/loop/dispatcher.h"

struct wanting {
    uint64_t hook_id;
    struct hook_state *hook; // as of the match; it may be gone in a later slice
};

// Closed to other rooms.
struct fan {
    bool is_open;
    struct arena arena; // holds the event's texts
    struct event event;
    struct event_facts facts;
    struct buf
        plain; // the event's payload, if it was sealed and a hook asks for it
    // The hooks whose filters want it; owned. Those from n on are not compared by their
    // patterns yet; deliveries are made when all are compared, of those before i.
    struct wanting *hooks;
    size_t n_found, n_compared, n, room, i;
    bool has_patterns;
    uint64_t n_made;    // deliveries
    uint64_t n_matched; // of them, those of the event
    bool gives_rows;    // each delivery gets its row at once: there are many
};

void fan_init(struct dispatcher *d);

// Makes the deliveries of an event, whose text is borrowed for the call. False: there
// are many, so the fan is open and none is made yet.
MUST_CHECK bool fan_begin(struct dispatcher *d, const struct event *event);

bool fan_is_open(const struct dispatcher *d);

// Makes a slice of the deliveries. True: all are made, and the fan is closed.
MUST_CHECK bool fan_run(struct dispatcher *d, int64_t until_us);

// How many deliveries were made since the last call.
uint64_t fan_take_made(struct dispatcher *d);

#endif
