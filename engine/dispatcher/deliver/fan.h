// SPDX-License-Identifier: MIT
// fan.h — an event that many hooks want: its deliveries are made in slices.
//
// While a fan is open the event counts as not read yet: nothing is committed, so that
// after a crash it is matched as a whole, and nothing behind it is read.

#ifndef ENGINE_DISPATCHER_DELIVER_FAN_H
#define ENGINE_DISPATCHER_DELIVER_FAN_H

#include "common/base/arena.h"
#include "common/encoding/json.h"
#include "engine/dispatcher/schedule/schedule.h"

struct wanting {
    uint64_t hook_id;
    struct hook_state *hook; // as it was when it was found
};

struct fan {
    bool is_open;
    struct arena arena; // of the event's texts
    struct event event;
    struct json *payload; // NULL: not parsed yet, or it cannot be
    bool is_parsed;
    struct wanting *hooks; // that want it; owned
    size_t n, room, i;     // those before i are done
    uint64_t n_made;       // deliveries
    bool gives_rows;       // with each delivery, for they are many
};

void fan_init(struct dispatcher *d);

// Makes the deliveries of an event, whose text is borrowed for the call. False: they
// are many, and the fan is open.
MUST_CHECK bool fan_begin(struct dispatcher *d, const struct event *event);

bool fan_is_open(const struct dispatcher *d);

// A slice. True: the fan is closed.
MUST_CHECK bool fan_run(struct dispatcher *d, int64_t until_us);

// How many deliveries were made since it was asked last.
uint64_t fan_take_made(struct dispatcher *d);

#endif
