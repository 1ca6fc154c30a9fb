// SPDX-License-Identifier: MIT
// aside.h — records that this dispatcher has died with.

#ifndef ENGINE_DISPATCHER_DELIVER_ASIDE_H
#define ENGINE_DISPATCHER_DELIVER_ASIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/str.h"
#include "common/process/blame.h"
#include "queue/queue.h"

struct death;
struct delivery;
struct dispatcher;
struct hook_state;
struct outcome;
struct slot;

enum turn { TURN_NOW, TURN_LATER, TURN_NEVER };

// Notes that this one is worked on (blame.h). A ping is as good as a request:
// nobody but who asks for it makes it again.
struct blamed aside_note(const struct delivery *dv);

// Whether pings of a hook are refused: the process died with them too often.
bool aside_refuses_pings(const struct hook_state *f);

// Nothing is to be sent but by who is let in below.
bool aside_blocks(const struct dispatcher *d);

// Nothing may be in flight any more: then others are admitted again. The hook whose turn
// it is first; NULL: none in particular.
struct hook_state *aside_look(struct dispatcher *d);

enum admission {
    ADMIT_SEND,
    ADMIT_LATER, // it goes back to the front of its queue
    ADMIT_ASIDE, // it is set aside: a dead letter, without an attempt
    ADMIT_CANCEL // the dispatcher died with setting it aside, too
};

// What is to be done with a delivery that was taken from its queue.
enum admission aside_admits(struct dispatcher *d, const struct delivery *dv);
enum turn aside_of_replay(struct dispatcher *d, uint64_t hook_id,
                          struct position position);

// Passes over events that are set aside, and limits the scan so that a suspect
// is read by itself. False: not now.
bool aside_limit_scan(struct dispatcher *d, struct event_scan *scan);
void aside_scanned(
    struct dispatcher *d); // all events up to read_to are matched
void aside_survived(struct dispatcher *d, const struct delivery *dv);
void aside_committed(struct dispatcher *d);

// Whether the hook, in this revision, is not to be hook_state; notes it.
bool aside_hook(struct dispatcher *d, const struct hook *hook);

void aside_init(struct dispatcher *d);

#endif
