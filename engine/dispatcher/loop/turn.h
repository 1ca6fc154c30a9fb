// SPDX-License-Identifier: MIT
// turn.h — what callbacks leave to the dispatcher's turn.
//
// A callback notes what happened and marks what is to be done. The turn, once in each
// iteration of the loop, does it. So no function is entered again by a callback that
// it called.

#ifndef ENGINE_DISPATCHER_LOOP_TURN_H
#define ENGINE_DISPATCHER_LOOP_TURN_H

#include "engine/dispatcher/loop/dispatcher.h"

enum turn_work {
    TURN_HOOKS = 1 << 0,     // hooks may have changed
    TURN_READ = 1 << 1,      // there may be more in the event log
    TURN_SEND = 1 << 2,      // there may be something to send
    TURN_COMMITTED = 1 << 3, // a commit has ended
    TURN_COMMIT = 1 << 4,    // it is time for a commit
    TURN_REPLAY = 1 << 5,    // a replay can go on
    TURN_LEAVE = 1 << 6      // the process may have drained
};

// `on_turn` is called once an iteration while anything is marked.
void turn_start(struct dispatcher *d, void (*on_turn)(struct dispatcher *d));
// Marks work. The loop does not wait for events until the turn has run.
void turn_mark(struct dispatcher *d, enum turn_work work);
// Whether the work was marked; clears the mark.
bool turn_take(struct dispatcher *d, enum turn_work work);

#endif
